"""Whether the files of all ranks together are the whole training state: nothing missing, nothing twice."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from launcher.checkpoint.contents import StoredPiece
from launcher.errors import LauncherError

WEIGHT = "weight"
"""The slot of a parameter's own elements, as in `launcher.checkpoint.fragment`, which imports torch."""

Key = tuple[str, str]
"""Parameter and slot."""


class Incomplete(LauncherError):
    """What the ranks wrote is not the whole state: a fault of the launcher, found before the commit."""


def check_complete(pieces: Iterable[StoredPiece], trained: Mapping[str, int]) -> frozenset[Key]:
    """See that every slot is covered exactly once, and that the weights are those of the trained parameters.

    Args:
        trained: Elements of each trained parameter, by its name.

    Returns:
        All slots.

    Raises:
        Incomplete: names the first slot that is not as it should be.
    """
    slots: defaultdict[Key, list[StoredPiece]] = defaultdict(list)
    for piece in pieces:
        slots[piece.parameter, piece.slot].append(piece)
    for key, found in slots.items():
        _check_slot(key, found)
    for parameter, elements in trained.items():
        weights = slots.get((parameter, WEIGHT))
        written = weights[0].total if weights else 0
        if written != elements:
            raise Incomplete(f"{parameter}: {written} elements of its weights were written, {elements} are trained")
    for parameter, _ in slots:
        if parameter not in trained:
            raise Incomplete(f"{parameter}: it was written, and is not trained")
    return frozenset(slots)


def check_none_lost(slots: frozenset[Key], before: frozenset[Key]) -> None:
    """See that no slot of an earlier checkpoint of the attempt is gone.

    Raises:
        Incomplete: names the first one.
    """
    if lost := sorted(before - slots):
        raise Incomplete(f"{lost[0][0]}: its {lost[0][1]} was in the checkpoint before and was not written")


def _check_slot(key: Key, pieces: list[StoredPiece]) -> None:
    place, first = f"{key[0]}, {key[1]}", pieces[0]
    if any((piece.total, piece.dtype) != (first.total, first.dtype) for piece in pieces):
        raise Incomplete(f"{place}: ranks disagree on its size or type")
    end = 0
    for piece in sorted(pieces, key=lambda each: each.offset):
        if piece.offset != end:
            what = "were not written" if piece.offset > end else "were written twice"
            low, high = sorted((piece.offset, end))
            raise Incomplete(f"{place}: elements {low} to {high} {what}")
        end += piece.length
    if end != first.total:
        raise Incomplete(f"{place}: elements {end} to {first.total} were not written")
