"""What a journal holds: attempts that open, commit, retire and close, each entry one JSON object."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import uuid4

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
class Close(Stamped):
    """An attempt gives the run back."""

    kind: Literal["close"] = "close"
    cause: str
    exit_code: int


Entry = Open | Commit | Retire | Close
ENTRY: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def live_commits(entries: Iterable[Entry]) -> list[Commit]:
    """Commits in their order, without those whose bytes may have gone."""
    kept = list(entries)
    retired = {entry.checkpoint for entry in kept if isinstance(entry, Retire)}
    return [entry for entry in kept if isinstance(entry, Commit) and entry.checkpoint not in retired]


def entry_to_json(entry: Entry) -> bytes:
    return ENTRY.dump_json(entry)


def entry_from_json(data: bytes, place: str) -> Entry:
    """The entry that `entry_to_json` wrote.

    Raises:
        LauncherError: a kind that this launcher does not know, or no entry at all; names the place.
    """
    try:
        return ENTRY.validate_json(data, strict=True)
    except ValidationError as invalid:
        error = invalid.errors()[0]
    if error["type"] == "union_tag_invalid":
        kind = error["ctx"]["tag"]
        raise LauncherError(f"{place} has the unknown kind {kind!r}: go on with the newer launcher that wrote it")
    where = ".".join(str(part) for part in error["loc"])
    raise LauncherError(f"{place} is damaged ({where}: {error['msg']}): restore it, or start under another --run-id")
