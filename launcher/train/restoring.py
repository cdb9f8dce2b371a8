"""A rank takes up a commit, whoever wrote it."""

from pathlib import Path

from launcher.checkpoint.restore import open_checkpoint
from launcher.train.desk import Note
from launcher.train.loop import Loop
from launcher.train.milestones import Milestones
from launcher.train.rank import Rank
from launcher.train.resuming import Resume
from launcher.train.state.kept import KeptWeights
from launcher.train.state.state import check_fits, put_counters, put_state


def restore(rank: Rank, resume: Resume, loop: Loop, milestones: Milestones) -> None:
    """Stand where the commit was made; all ranks call it together.

    Raises:
        InvalidInput: the commit is of another model, method, optimiser, or of other data.
        Damaged: it does not verify any more.
    """

    progress, place = resume.progress, f"{rank.store.location}/{resume.commit.checkpoint}"
    checkpoint = open_checkpoint(rank.store, resume.commit, lambda text: rank.tell(Note(text)), Path(resume.folder))
    progress.cursor.check(loop.feed.cursor, place)
    check_fits(loop.engine, loop.model, {slot: checkpoint.total(slot) for slot in checkpoint.pieces})
    put_state(loop.engine, loop.model, checkpoint.read)
    put_counters(loop.engine, dict(progress.counters))
    if progress.has_best:
        milestones.best = KeptWeights.read(loop.engine, loop.model, checkpoint.read)
    milestones.resume(progress.stopping)
    loop.schedule.skipped = progress.skipped
    loop.feed.resume(progress.cursor, progress.step, progress.ended)
