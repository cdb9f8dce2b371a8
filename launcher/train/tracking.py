"""What the leading rank reports to: the event log and the recipe's trackers."""

from collections.abc import Iterator
from contextlib import contextmanager

from launcher.track.events import EventLog, read_events
from launcher.track.tracks import Tracks, open_tracks
from launcher.train.desk import Note
from launcher.train.rank import Rank


@contextmanager
def leading_tracks(rank: Rank) -> Iterator[Tracks | None]:
    """The tracks of this attempt on the rank that leads, None on the others; closed however the context ends."""
    if not rank.leads:
        yield None
        return
    first, resume = rank.job.attempt == 1, rank.job.resume
    tracks = open_tracks(
        EventLog(rank.store, rank.job.attempt, rank.number),
        rank.store,
        rank.job.recipe,
        resumed_step=None if first else 0 if resume is None else resume.progress.step,
        past=() if first else read_events(rank.store),
        tell=lambda text: rank.tell(Note(text)),
    )
    code = 1
    try:
        yield tracks
        code = 0
    finally:
        tracks.close(code)
