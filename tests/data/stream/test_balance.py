"""Who gets which packs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.data.stream.balance import shares

COSTS = st.lists(st.integers(1, 10**6), max_size=60)


@settings(deadline=None)
@given(COSTS, st.integers(1, 9))
def test_every_pack_has_one_rank_and_counts_differ_by_one_at_the_most(costs: list[int], world: int) -> None:
    found = shares(np.array(costs, dtype=np.int64), world)
    assert sorted(np.concatenate(found).tolist()) == list(range(len(costs)))
    assert {len(each) for each in found} <= {len(costs) // world, -(-len(costs) // world)}


@settings(deadline=None)
@given(COSTS, st.integers(1, 9))
def test_no_two_ranks_differ_by_more_than_the_costliest_pack(costs: list[int], world: int) -> None:
    loads = [sum(costs[pack] for pack in each) for each in shares(np.array(costs, dtype=np.int64), world)]
    assert max(loads) - min(loads) <= max(costs, default=0)


@settings(deadline=None)
@given(COSTS, st.integers(1, 9))
def test_ranks_are_at_packs_of_like_cost_at_the_same_time(costs: list[int], world: int) -> None:
    found = [[costs[pack] for pack in each] for each in shares(np.array(costs, dtype=np.int64), world)]
    for now in range(len(costs) // world - 1):
        assert min(each[now] for each in found) >= max(each[now + 1] for each in found)


def test_shares_of_packed_documents_are_nearly_even() -> None:
    rng = np.random.default_rng(0)
    costs = (rng.lognormal(5, 1, (256, 12)) ** 2).sum(axis=1).astype(np.int64).clip(max=2_048**2)
    loads = np.array([costs[each].sum() for each in shares(costs, 8)])
    dealt = np.array([costs[rank::8].sum() for rank in range(8)])
    even, uneven = (found.max() / found.mean() for found in (loads, dealt))
    print(f"costliest of 8 ranks over their mean: {even:.3f}; {uneven:.3f} with packs dealt out")
    assert even < 1.02 < uneven
