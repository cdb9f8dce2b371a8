"""TensorBoard's event files under `tensorboard/`, in numbered segments."""

import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from launcher.storage.store import Store
from launcher.track.tracker import TrackedRun

FOLDER = "tensorboard"
SEGMENT_NAME = re.compile(rf"{FOLDER}/(\d+)\.tfevents")
SHOW_S = 5.0
"""What was noted is on the disk after about this long, in seconds."""


class TensorBoardTracker:
    """Writes segments whose numbers order them, as host clocks, which order TensorBoard's usual names, may differ.

    An attempt begins by telling TensorBoard to forget all steps after the one that it goes on from. In an object store
    each segment is written when it is complete.
    """

    def __init__(self, run: TrackedRun) -> None:
        self._store = run.store
        self._number = _next_number(run.store)
        self._temporary = (
            None if run.store.local_path(FOLDER) else tempfile.TemporaryDirectory(prefix="ll-tensorboard-")
        )
        self._writer: RecordWriter | None = None
        self._shown = time.monotonic()
        # TensorBoard takes the first of these in a folder for the beginning, so the first attempt needs one too
        self._write(Event(step=(run.resumed_step or 0) + 1, session_log=SessionLog(status=SessionLog.START)))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=scalars)))
        if time.monotonic() - self._shown > SHOW_S:
            assert self._writer is not None
            self._writer.flush()
            self._shown = time.monotonic()

    def flush(self) -> None:
        """Complete the segment; the next value begins another."""
        if self._writer is None:
            return
        self._writer.flush()
        self._writer.close()
        self._writer = None
        if self._temporary:
            segment = Path(self._path)
            self._store.ensure(self._name, segment.read_bytes())
            segment.unlink()
        self._number += 1

    def close(self, exit_code: int) -> None:
        self.flush()
        if self._temporary:
            self._temporary.cleanup()

    def _write(self, event: Event) -> None:
        if self._writer is None:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            self._writer = RecordWriter(self._path)
            self._writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        event.wall_time = time.time()
        self._writer.write(event.SerializeToString())

    @property
    def _name(self) -> str:
        return f"{FOLDER}/{self._number:06d}.tfevents"

    @property
    def _path(self) -> str:
        return f"{self._temporary.name if self._temporary else self._store.root}/{self._name}"


def _next_number(store: Store) -> int:
    matches = (SEGMENT_NAME.fullmatch(name) for name in store.list(FOLDER))
    return max((int(match[1]) for match in matches if match), default=0) + 1
