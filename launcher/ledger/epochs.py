"""The proof that every document was consumed once: what each whole epoch has passed, against the data set's index."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from launcher.checkpoint.contents import Manifest
from launcher.data.prepared.opened import open_prepared
from launcher.data.stream.consumed import Tally, whole_epoch
from launcher.data.stream.cursor import Cursor
from launcher.data.stream.packing import Packing
from launcher.errors import LauncherError
from launcher.storage.retry import one_line
from launcher.storage.store import Store
from launcher.train.resuming import Progress

ONCE = "every document once"
PACKING: TypeAdapter[Packing] = TypeAdapter(Packing)


@dataclass(frozen=True, slots=True)
class EpochLine:
    """A whole epoch of one source of the data, with what it consumed and left out."""

    source: int
    epoch: int
    consumed: int
    left_out: int
    proof: str | None = None
    """`every document once`, or what is wrong, or why it could not be proved; None where it was not asked for."""
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """What any whole epoch of a source has to come to; else why that is not known."""

    tally: Tally | None
    unknown: str | None = None


def epochs(progress: Progress) -> list[EpochLine]:
    """Every epoch that has ended, without proofs."""
    return [EpochLine(end.source, end.epoch, end.consumed.documents, end.left_out.documents) for end in progress.ended]


def prove_epochs(progress: Progress, manifest: Manifest, folder: Path) -> list[EpochLine]:
    """Every epoch that has ended, held against the index of its data set.

    A tally is a sum of 128-bit hashes of pieces: two that are equal stand for the same pieces, none missing and none
    twice (`launcher.data.stream.consumed`). A data set that cannot be read proves nothing, and is nothing wrong.

    Args:
        manifest: Of the same commit; tells where the data sets are and how they were ordered.
        folder: On this machine's own disk, for indexes that are fetched.
    """
    wholes = [_whole(cursor, manifest.origin.data, folder) for cursor in progress.cursor.sources]
    lines = []
    for end, (number, line) in zip(progress.ended, _numbered(epochs(progress)), strict=True):
        whole = wholes[end.source]
        if end.epoch != number:
            proof, wrong = f"epoch {number} should stand here", True
        elif whole.tally is None:
            proof, wrong = f"not proved: {whole.unknown}", False
        elif end.consumed + end.left_out == whole.tally:
            proof, wrong = ONCE, False
        else:
            proof, wrong = f"other documents than the data set's {whole.tally.documents:,}, or some twice", True
        lines.append(EpochLine(line.source, line.epoch, line.consumed, line.left_out, proof, wrong))
    return lines


def _numbered(lines: list[EpochLine]) -> Iterator[tuple[int, EpochLine]]:
    """Each line with the epoch that is due: those of a source follow one another from 0 on."""
    due: dict[int, int] = {}
    for line in lines:
        number = due.get(line.source, 0)
        due[line.source] = number + 1
        yield number, line


def _whole(cursor: Cursor, data: Mapping[str, Any], folder: Path) -> Whole:
    for url, told in data.items():
        packing = PACKING.validate_python({key: value for key, value in told.items() if key != "manifest"})
        if (told["manifest"], packing.digest) == (cursor.manifest, cursor.packing):
            return _whole_of(url, cursor, packing, folder)
    return Whole(None, "the commit does not tell where this source's data set is")


def _whole_of(url: str, cursor: Cursor, packing: Packing, folder: Path) -> Whole:
    try:
        opened = open_prepared(Store.open(url), folder)
    except (LauncherError, OSError) as error:
        return Whole(None, one_line(error))
    if opened.manifest.digest != cursor.manifest:
        return Whole(None, f"{url} holds another data set now")
    return Whole(whole_epoch(opened.index, packing))
