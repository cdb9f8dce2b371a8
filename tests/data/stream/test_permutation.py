"""The keyed permutation that orders blocks, documents and packs."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from launcher.data.stream.mixing import Words
from launcher.data.stream.packing import ORDER_VERSION
from launcher.data.stream.permutation import permute, round_keys, shuffled

SEEDS = st.integers(-(2**63), 2**64)


def whole(total: int, seed: int, epoch: int = 0, what: str = "x") -> list[int]:
    order: list[int] = permute(np.arange(total), total, round_keys(seed, epoch, what)).tolist()
    return order


@settings(deadline=None)
@given(st.integers(1, 3000), SEEDS)
def test_every_number_comes_once(total: int, seed: int) -> None:
    assert sorted(whole(total, seed)) == list(range(total))


@settings(deadline=None)
@given(st.integers(1, 500), SEEDS, st.data())
def test_any_places_are_worked_out_alone(total: int, seed: int, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, total - 1), min_size=1))
    order = whole(total, seed)
    assert permute(np.array(places), total, round_keys(seed, 0, "x")).tolist() == [order[place] for place in places]


@settings(deadline=None)
@given(st.integers(2**40, 2**62), SEEDS)
def test_large_sets_are_permuted_a_few_numbers_at_a_time(total: int, seed: int) -> None:
    found = permute(np.arange(total - 500, total), total, round_keys(seed, 0, "x"))
    assert len(set(found.tolist())) == 500
    assert found.min() >= 0
    assert found.max() < total


def test_seed_epoch_and_use_make_another_order_each() -> None:
    orders = [whole(50, 1), whole(50, 2), whole(50, 1, epoch=1), whole(50, 1, what="y")]
    assert len({tuple(order) for order in orders}) == 4
    assert whole(50, 1) == orders[0]


def test_an_order_stays_as_it_is_until_its_version_changes() -> None:
    assert ORDER_VERSION == 1
    assert whole(12, 7) == [9, 8, 0, 6, 11, 1, 5, 10, 4, 7, 2, 3]
    assert shuffled(12, round_keys(7, 0, "x")).tolist() == [7, 4, 8, 1, 9, 0, 3, 2, 11, 10, 5, 6]


@pytest.mark.parametrize("total", [1, 2, 3, 5, 1000])
def test_a_shuffle_has_every_number_once(total: int) -> None:
    assert sorted(shuffled(total, round_keys(3, 0, "x")).tolist()) == list(range(total))


def by_network(total: int, keys: Words) -> npt.NDArray[np.int64]:
    return permute(np.arange(total), total, keys)


@pytest.mark.parametrize("order", [by_network, shuffled])
def test_all_orders_of_a_few_numbers_are_as_likely(order: Callable[[int, Words], npt.NDArray[np.int64]]) -> None:
    found = Counter(tuple(order(4, round_keys(seed, 0, "x")).tolist()) for seed in range(4800))
    assert len(found) == 24
    assert chisquare(list(found.values())).pvalue > 1e-4


@pytest.mark.parametrize("order", [by_network, shuffled])
def test_neighbours_land_anywhere(order: Callable[[int, Words], npt.NDArray[np.int64]]) -> None:
    numbers = order(100_000, round_keys(3, 0, "x"))
    assert kstest(np.abs(np.diff(numbers)) / 100_000, lambda gap: 2 * gap - gap**2).pvalue > 1e-4
    assert abs(np.corrcoef(numbers, np.arange(100_000))[0, 1]) < 0.02
