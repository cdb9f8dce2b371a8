"""Keyed permutations of [0, n): one that is worked out number by number, whatever n is, and one of all at once."""

import hashlib
from math import isqrt

import numpy as np
import numpy.typing as npt

from launcher.data.stream.mixing import Words, mix64

ROUNDS = 16
"""With 8, some orders of ten numbers come a tenth more often than others."""


def round_keys(seed: int, epoch: int, what: str) -> Words:
    """Keys of a permutation, which another seed, epoch or use of it does not share: (ROUNDS,)."""
    name = f"{seed}/{epoch}/{what}".encode()
    return np.frombuffer(hashlib.shake_128(name).digest(8 * ROUNDS), dtype="<u8").astype(np.uint64)


def permute(places: npt.NDArray[np.int64], total: int, keys: Words) -> npt.NDArray[np.int64]:
    """What stands at `places` of a permutation of `total` numbers, up to 2**62.

    A Feistel network over the smallest rectangle that holds them, so that almost none falls outside; one that does
    goes through again until it is inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
    """
    wide = max(1, isqrt(total - 1) + 1)
    high = -(-total // wide)
    numbers = _network(places.astype(np.uint64), high, wide, keys)
    while len(outside := np.flatnonzero(numbers >= total)):
        numbers[outside] = _network(numbers[outside], high, wide, keys)
    return numbers.astype(np.int64)


def shuffled(total: int, keys: Words) -> npt.NDArray[np.int64]:
    """All numbers below `total` in keyed order.

    They are sorted by what a bijection makes of them, so none are equal and every way of sorting agrees.
    """
    return np.argsort(mix64(np.arange(total, dtype=np.uint64) ^ keys[0]))


def _network(numbers: Words, high: int, wide: int, keys: Words) -> Words:
    left, right = np.divmod(numbers, np.uint64(wide))
    for place, key in enumerate(keys):
        if place % 2 == 0:
            _add(left, right, key, high)
        else:
            _add(right, left, key, wide)
    return left * np.uint64(wide) + right


def _add(side: Words, other: Words, key: np.uint64, size: int) -> None:
    """Move `side` round the circle [0, size) by what `other` and the key say."""
    shift = mix64(other ^ key) >> np.uint64(32)
    side += (shift * np.uint64(size)) >> np.uint64(32)
    side -= np.uint64(size) * (side >= size)
