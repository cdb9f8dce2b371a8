from itertools import chain

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.order import Lengths, epoch_order, grouped_order, micro_batches, step_rows

TOKENS = st.lists(st.integers(1, 30), min_size=1, max_size=80)
SEEDS = st.integers(-(2**63), 2**64 - 1)
COUNTS = st.integers(1, 9)


def run_rows(tokens: list[int], batch: int, seed: int, epochs: int) -> list[list[int]]:
    lengths, rows = Lengths(tokens), len(tokens)
    steps = range(-(-rows * epochs // batch))
    return [step_rows(step, batch, rows, seed, rows * epochs, lengths=lengths) for step in steps]


@given(TOKENS, COUNTS, SEEDS, COUNTS)
def test_the_steps_of_an_epoch_take_every_row_once(tokens: list[int], batch: int, seed: int, epochs: int) -> None:
    stream = list(chain.from_iterable(run_rows(tokens, batch, seed, epochs)))
    for epoch in range(epochs):
        assert sorted(stream[epoch * len(tokens) : (epoch + 1) * len(tokens)]) == list(range(len(tokens)))


@given(TOKENS, COUNTS, SEEDS)
def test_an_epoch_begins_with_its_longest_row(tokens: list[int], batch: int, seed: int) -> None:
    assert tokens[run_rows(tokens, batch, seed, 1)[0][0]] == max(tokens)


@given(TOKENS, COUNTS, SEEDS)
def test_megabatches_of_the_permutation_go_from_long_to_short(tokens: list[int], batch: int, seed: int) -> None:
    order = epoch_order(len(tokens), seed, 0).tolist()
    size = batch * max(1, min(len(tokens) // (4 * batch), 50))
    megabatches = [order[start : start + size] for start in range(0, len(tokens), size)]
    expected = [row for megabatch in megabatches for row in sorted(megabatch, key=lambda row: -tokens[row])]
    longest = max(expected, key=lambda row: tokens[row])
    at = expected.index(longest)
    expected[0], expected[at] = longest, expected[0]
    assert grouped_order(Lengths(tokens), batch, seed, 0).tolist() == expected


@given(TOKENS, COUNTS, SEEDS, st.integers(0, 30))
def test_a_step_needs_nothing_but_its_number_the_seed_and_the_lengths(
    tokens: list[int], batch: int, seed: int, step: int
) -> None:
    total = len(tokens) * 40
    alone = step_rows(step, batch, len(tokens), seed, total, lengths=Lengths(tokens))
    run_rows(tokens, batch, seed ^ 1, 1)
    grouped_order.cache_clear()
    epoch_order.cache_clear()
    assert step_rows(step, batch, len(tokens), seed, total, lengths=Lengths(tokens)) == alone


def test_two_lists_of_lengths_are_not_mistaken_for_each_other() -> None:
    rising, falling = Lengths(range(1, 41)), Lengths(range(40, 0, -1))
    assert step_rows(0, 4, 40, 3, 40, lengths=rising)[0] == 39
    assert step_rows(0, 4, 40, 3, 40, lengths=falling)[0] == 0


def test_epochs_and_seeds_give_other_orders() -> None:
    lengths = Lengths([1 + row % 7 for row in range(200)])
    orders = {tuple(grouped_order(lengths, 4, seed, epoch)) for seed in (0, 1) for epoch in range(3)}
    assert len(orders) == 6


def test_grouping_saves_most_of_the_padding_on_two_ranks() -> None:
    tokens = np.random.default_rng(0).integers(1, 200, size=4000).tolist()

    def padded(lengths: Lengths | None) -> int:
        total = 0
        for step in range(4000 // 16):
            rows = step_rows(step, 16, 4000, 42, 4000, lengths=lengths)
            for rank in range(2):
                total += sum(len(one) * max(tokens[row] for row in one) for one in micro_batches(rows, rank, 2, 4))
        return total - sum(tokens)

    assert padded(Lengths(tokens)) < padded(None) / 10
