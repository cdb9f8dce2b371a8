"""Best-fit-decreasing packing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.pack import best_fit_decreasing


def plainly(lengths: list[int], capacity: int) -> list[int]:
    """How full the packs are in the end, one document at a time."""
    rooms: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [room for room in rooms if room >= length]
        if fitting:
            rooms.remove(min(fitting))
        rooms.append(min(fitting, default=capacity) - length)
    return sorted(capacity - room for room in rooms)


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), max_size=200), st.integers(40, 100))
def test_packs_are_filled_as_by_the_textbook(lengths: list[int], capacity: int) -> None:
    packs = best_fit_decreasing(np.array(lengths, dtype=np.int64), capacity)
    filled = np.bincount(packs, weights=np.array(lengths, dtype=float)).astype(int)
    assert sorted(filled.tolist()) == plainly(lengths, capacity)


def test_the_first_of_equal_documents_is_placed_first() -> None:
    assert best_fit_decreasing(np.array([3, 5, 3, 5, 3]), 8).tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("capacity", [2048, 4096])
@pytest.mark.parametrize("mean", [100, 163, 300, 600])
def test_packs_of_log_normal_documents_are_full(mean: int, capacity: int) -> None:
    lengths = np.random.default_rng(mean).lognormal(np.log(mean) - 0.5, 1, 10_000).astype(np.int64).clip(1, capacity)
    packs = best_fit_decreasing(lengths, capacity)
    fill = lengths.sum() / ((packs.max() + 1) * capacity)
    print(f"mean {mean}, packs of {capacity}: fill {fill:.4f}")
    assert fill >= 0.995
