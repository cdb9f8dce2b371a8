import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from launcher.checkpoint.fragment import Fragment, Slot
from launcher.checkpoint.pieces import Layout
from launcher.checkpoint.snapshot import Snapshot


@pytest.fixture
def snapshot() -> Iterator[Snapshot]:
    made = Snapshot()
    yield made
    made.close()


def fragment(name: str, values: torch.Tensor, offset: int = 0) -> Fragment:
    return Fragment(Slot(name, "weight"), offset, offset + values.numel(), values)


def stored(snapshot: Snapshot, layout: Layout) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = load(os.pread(snapshot.descriptor, layout.size, 0))
    return loaded


def test_later_changes_are_not_in_it(snapshot: Snapshot) -> None:
    values = torch.arange(10.0)
    layout = snapshot.take([fragment("w", values)])
    values.zero_()
    assert stored(snapshot, layout)["w|weight|0|10"].tolist() == list(range(10))


@given(
    st.integers(1, 5),
    st.lists(
        st.tuples(st.sampled_from([torch.float32, torch.bfloat16, torch.uint8, torch.int64]), st.integers(0, 200)),
        max_size=12,
    ),
)
def test_every_fragment_is_there_whatever_the_sizes_types_and_threads(
    threads: int, sizes: list[tuple[torch.dtype, int]]
) -> None:
    snapshot = Snapshot(threads)
    try:
        given = [fragment(f"w{i}", torch.arange(n).to(dtype), i) for i, (dtype, n) in enumerate(sizes)]
        loaded = stored(snapshot, snapshot.take(given))
        assert len(loaded) == sum(n > 0 for _, n in sizes)
        for each in given:
            if each.values.numel():
                name = f"{each.slot.parameter}|weight|{each.offset}|{each.total}"
                assert torch.equal(loaded[name], each.values)
                assert loaded[name].dtype == each.values.dtype
    finally:
        snapshot.close()


def test_the_file_is_as_long_as_its_newest_content(snapshot: Snapshot) -> None:
    for elements in (10, 10, 100_000, 3):
        layout = snapshot.take([fragment("w", torch.ones(elements))])
        assert os.fstat(snapshot.descriptor).st_size == layout.size
        assert stored(snapshot, layout)[f"w|weight|0|{elements}"].sum() == elements


def test_memory_is_allocated_once_for_one_layout(snapshot: Snapshot) -> None:
    snapshot.take([fragment("w", torch.ones(1000))])
    before = snapshot._memory.ctypes.data
    snapshot.take([fragment("w", torch.zeros(1000))])
    assert snapshot._memory.ctypes.data == before


def test_a_rank_may_hold_nothing(snapshot: Snapshot) -> None:
    assert stored(snapshot, snapshot.take([])) == {}
