"""The position in a data set: some hundred bytes, wherever it is and however large the data set is."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from json import dumps
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from launcher.data.stream.consumed import Tally
from launcher.errors import InvalidInput

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next pack of the stream, and what was read before it."""

    manifest: str
    """Digest of the data set."""
    packing: str
    """Digest of its `Packing`."""
    epoch: int = 0
    window: int = 0
    pack: int = 0
    """The next pack of the window."""
    packs: int = 0
    """Packs taken since the run began."""
    consumed: Tally = field(default_factory=Tally)
    """What was trained on in this epoch."""
    left_out: Tally = field(default_factory=Tally)
    """What this epoch has passed by: documents of excluded blocks, and empty ones."""
    skipped: tuple[int, ...] = ()
    """Blocks that the user does not want, in order."""
    quarantined: tuple[int, ...] = ()
    """Blocks that stay corrupt, in order."""

    @property
    def excluded(self) -> frozenset[int]:
        """Blocks that are not read."""
        return frozenset(self.skipped + self.quarantined)

    def skip(self, blocks: Iterable[int]) -> "Cursor":
        """The same position, with blocks passed by from here on."""
        return replace(self, skipped=tuple(sorted({*self.skipped, *blocks})))

    def quarantine(self, blocks: Iterable[int]) -> "Cursor":
        """The same position, with corrupt blocks passed by from here on; no other document moves."""
        return replace(self, quarantined=tuple(sorted({*self.quarantined, *blocks})))

    def check(self, manifest: str, packing: str, place: str) -> None:
        """Make sure that this is a position in these data, ordered this way.

        Raises:
            InvalidInput: it is not; names both digests.
        """
        _same("data set", self.manifest, manifest, place)
        _same("order of the data", self.packing, packing, place)

    def to_json(self) -> bytes:
        return dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes, place: str) -> "Cursor":
        """The cursor that `to_json` wrote. Raises InvalidInput, naming the place, where it is none."""
        return _read(_CURSOR, data, place)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packs of a mixture, counted over all sources since the run began: `first` and those after it, up to `end`."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class MixtureCursor:
    """The position in a mixture: one in each source."""

    mixing: str
    """Digest of weights and seed."""
    sources: tuple[Cursor, ...]
    passed_by: tuple[Stretch, ...] = ()
    """Packs that are not trained on, wherever they lie; in order, and apart."""

    @property
    def packs(self) -> int:
        """Packs taken or passed by since the run began."""
        return sum(source.packs for source in self.sources)

    def pass_by(self, stretches: Iterable[Stretch]) -> "MixtureCursor":
        """The same position, with packs that are passed by when it comes to them; no other pack moves."""
        merged: list[Stretch] = []
        for each in sorted({*self.passed_by, *stretches}, key=lambda stretch: stretch.first):
            if merged and each.first <= merged[-1].end:
                merged[-1] = Stretch(merged[-1].first, max(merged[-1].end, each.end))
            else:
                merged.append(each)
        return replace(self, passed_by=tuple(merged))

    def check(self, start: "MixtureCursor", place: str) -> None:
        """Make sure that this is a position in the mixture that begins with `start`.

        Raises:
            InvalidInput: it is not; names both digests.
        """
        _same("mixture", self.mixing, start.mixing, place)
        for number, (own, other) in enumerate(zip(self.sources, start.sources, strict=True)):
            own.check(other.manifest, other.packing, f"{place}, source {number},")

    def at(self, source: int, cursor: Cursor) -> "MixtureCursor":
        """The same position but for one source, such as with blocks quarantined."""
        return replace(self, sources=(*self.sources[:source], cursor, *self.sources[source + 1 :]))

    def to_json(self) -> bytes:
        return dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes, place: str) -> "MixtureCursor":
        """The cursor that `to_json` wrote. Raises InvalidInput, naming the place, where it is none."""
        return _read(_MIXTURE, data, place)


def _same(what: str, own: str, other: str, place: str) -> None:
    if own != other:
        raise InvalidInput(
            f"{place} is a position in the {what} {own}, and the recipe's is {other}; "
            "resume with the recipe of the run, or start under another --run-id"
        )


def _read(kind: TypeAdapter[Read], data: bytes, place: str) -> Read:
    try:
        return kind.validate_json(data, strict=True)
    except ValidationError as invalid:
        error = invalid.errors()[0]
    where = ".".join(str(part) for part in error["loc"]) or "JSON"
    raise InvalidInput(f"{place} is no cursor ({where}: {error['msg']}); resume from another checkpoint")


_CURSOR = TypeAdapter(Cursor)
_MIXTURE = TypeAdapter(MixtureCursor)
