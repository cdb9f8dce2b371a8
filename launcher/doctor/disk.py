"""Disks: room and speed where a machine writes, and the room of shared memory."""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.doctor.figures import si
from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, State, Verdict
from launcher.storage.retry import one_line

NAME = "disk"
BYTES = "B/s"
GIB = 2**30
SIZE = 64 << 20
"""Bytes that are written to time a disk."""
SLOW = 100e6
"""Bytes a second: slower than a single hard disk."""


@dataclass(frozen=True, slots=True)
class Room:
    """What a kind of place should have free, in bytes."""

    warn: int
    fail: int
    timed: bool
    mend: str


ROOMS = {
    "cache": Room(10 * GIB, GIB, True, "make room there, or name another cluster.cache_folder"),
    "storage": Room(10 * GIB, GIB, True, "make room there, or name another cluster.storage"),
    "temporary files": Room(2 * GIB, GIB // 4, False, "make room there, or set TMPDIR to a larger folder"),
    # A container of Docker's has 64 MiB, with which NCCL and Ray's object store do not start
    "shared memory": Room(GIB, GIB // 8, False, "give containers more: --shm-size, or an emptyDir in memory"),
}


@dataclass(frozen=True, slots=True)
class Place:
    kind: str
    path: str
    free: int
    """Bytes that this user may take."""
    speed: float | None = None
    """Bytes a second, to the disk; None where it was not tried."""
    refused: str | None = None
    """Why nothing could be written."""


def look(ask: Ask) -> list[Place]:
    places = {"cache": ask.cache, "temporary files": tempfile.gettempdir(), "shared memory": "/dev/shm"}
    if "://" not in ask.storage:
        places["storage"] = ask.storage
    return [_look_at(kind, Path(path).expanduser()) for kind, path in places.items()]


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    answers = nodes.each(look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told, ask.space)


def judge(told: Mapping[str, list[Place]], space: int = 0) -> Iterator[Verdict]:
    """Args:
    space: Bytes that the run's checkpoints take of the storage.
    """
    for host, places in told.items():
        for place in places:
            yield _judge(host, place, space if place.kind == "storage" else 0)


def _look_at(kind: str, path: Path) -> Place:
    """The folder, or the nearest one above it that is there; nothing stays written."""
    while not path.exists():
        path = path.parent
    told = os.statvfs(path)
    free = told.f_bavail * told.f_frsize
    if not ROOMS[kind].timed or free < 2 * SIZE:
        return Place(kind, str(path), free)
    try:
        return Place(kind, str(path), free, speed=_speed(path))
    except OSError as error:
        return Place(kind, str(path), free, refused=one_line(error))


def _speed(folder: Path) -> float:
    block = os.urandom(1 << 20)  # some disks compress
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        begun = time.monotonic()
        for _ in range(SIZE // len(block)):
            file.write(block)
        os.fsync(file.fileno())
        return SIZE / (time.monotonic() - begun)


def _judge(host: str, place: Place, space: int) -> Verdict:
    room, where = ROOMS[place.kind], f"{place.kind} {place.path}"
    wanted, least = max(room.warn, space), max(room.fail, space)
    free = f"{place.free / GIB:.3g} GiB free"
    expected = f"{wanted / GIB:.3g} GiB"
    if place.refused is not None:
        return _verdict("fail", host, f"{where} cannot be written: {place.refused}", expected, room.mend, place)
    if place.free < wanted:
        return _verdict("fail" if place.free < least else "warn", host, f"{where}: {free}", expected, room.mend, place)
    if place.speed is None:
        return _verdict("ok", host, f"{where}: {free}", expected, "", place)
    found, expected = f"{where}: {free}, {si(place.speed, BYTES)}", f"{expected}, {si(SLOW, BYTES)}"
    if place.speed < SLOW:
        mend = "use the machine's own disk where there is one, and see whether others are writing to it"
        return _verdict("warn", host, found, expected, mend, place)
    return _verdict("ok", host, found, expected, "", place)


def _verdict(state: State, host: str, found: str, expected: str, mend: str, place: Place) -> Verdict:  # noqa: PLR0917
    return Verdict(NAME, state, host, found, expected, mend, place.free, "B")
