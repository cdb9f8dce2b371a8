"""What a journal holds: attempts that open, commit, retire and close.

Each entry is a JSON object; its last member is the xxh3-128 of the object without it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import uuid4

import xxhash
from pydantic import Field, TypeAdapter, ValidationError

from launcher.errors import LauncherError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """What all entries share."""

    attempt: int
    nonce: str = field(default_factory=lambda: uuid4().hex)
    """Tells this entry from any other, even from an equal one of another process."""
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    """For people to read: the clocks of two machines are never compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open(Stamped):
    """An attempt takes the run."""

    kind: Literal["open"] = "open"
    backend: str
    job_id: str
    hosts: tuple[str, ...]
    took_over: str | None = None
    """How it was known that the attempt before, which never closed, has ended; None where that closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit(Stamped):
    """A checkpoint was written whole."""

    kind: Literal["commit"] = "commit"
    step: int
    checkpoint: str
    """Name of its folder in the run directory."""
    manifest_digest: str
    metric: float | None = None
    """The latest evaluation's, by which the best checkpoint is told; None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire(Stamped):
    """A checkpoint's bytes may go."""

    kind: Literal["retire"] = "retire"
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack(Stamped):
    """Steps went bad: what was committed after `step`, up to this attempt, is void."""

    kind: Literal["roll-back"] = "roll-back"
    step: int
    first: int
    """First pack of the mixture that is left out from now on, counted since the run began."""
    end: int
    """The pack after the last one."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Close(Stamped):
    """An attempt gives the run back."""

    kind: Literal["close"] = "close"
    cause: str
    exit_code: int
    ended: str | None = None
    """In a word: the kind of an interruption or of a failure, or `done`; None where an older launcher closed it."""
    step: int | None = None
    """At which it ended, where that is known."""
    host: str | None = None
    """On which it failed, where that is known."""
    then: Literal["again", "end"] | None = None
    """Whether another attempt was to follow by itself: of this driver, or of one that its exit code asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Stamped):
    """In the place of an entry that is missing or damaged; it is never written."""

    attempt: int = 0
    nonce: str = ""
    place: str
    why: str
    """`is missing`, or how it is damaged."""


class DamagedEntry(LauncherError):
    """An entry's content is not what was written."""


Written = Open | Commit | Retire | RolledBack | Close
Entry = Written | Lost
SEAL = re.compile(rb',"xxh3_128":"([0-9a-f]{32})"\}\n?\Z')
ENTRY: TypeAdapter[Written] = TypeAdapter(Annotated[Written, Field(discriminator="kind")])


def live_commits(entries: Iterable[Entry]) -> list[Commit]:
    """Commits in their order, without those whose bytes may have gone and those that a roll-back made void."""
    kept = list(entries)
    retired = {entry.checkpoint for entry in kept if isinstance(entry, Retire)}
    rolled_back = [entry for entry in kept if isinstance(entry, RolledBack)]

    def void(commit: Commit) -> bool:
        # By attempt, and not by place: an uploader may commit once more while its attempt ends
        return any(commit.attempt <= each.attempt and commit.step > each.step for each in rolled_back)

    return [
        entry for entry in kept if isinstance(entry, Commit) and entry.checkpoint not in retired and not void(entry)
    ]


def entry_to_json(entry: Written) -> bytes:
    told = ENTRY.dump_json(entry)
    return b'%s,"xxh3_128":"%s"}\n' % (told.removesuffix(b"}"), _checksum(told))


def entry_from_json(data: bytes, place: str) -> Written:
    """The entry that `entry_to_json` wrote.

    Raises:
        DamagedEntry: it is not what was written.
        LauncherError: a kind that this launcher does not know; names the place.
    """
    seal = SEAL.search(data)
    told = data if seal is None else data[: seal.start()] + b"}"
    if seal is not None and seal[1] != _checksum(told):
        raise DamagedEntry("is damaged (its checksum is another)")
    try:
        return ENTRY.validate_json(told, strict=True)
    except ValidationError as invalid:
        error = invalid.errors()[0]
    if error["type"] == "union_tag_invalid":
        kind = error["ctx"]["tag"]
        raise LauncherError(f"{place} has the unknown kind {kind!r}: go on with the newer launcher that wrote it")
    where = ".".join(str(part) for part in error["loc"])
    raise DamagedEntry(f"is damaged ({where}: {error['msg']})" if where else f"is damaged ({error['msg']})")


def _checksum(told: bytes) -> bytes:
    return xxhash.xxh3_128_hexdigest(told).encode()
