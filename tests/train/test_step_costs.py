"""What the loop adds to a step, counted and not timed: host synchronisations, and calls of Python's functions."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.data.encode import Example
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.loop import train
from launcher.train.optimizer import make_optimizer
from tests.packs import collate
from tests.train.ranks import loop_of, on_ranks, rank_of, recipe

STEPS, BATCH, SETTLED = 10, 2, 5
READS = 3
"""A step's: the gradient's norm, by which it is skipped or not, and the loss, of the device; and on the host one number
of what the ranks agreed."""
MORE_CALLS = 300
"""A step's, beyond those of a bare loop with the same model."""


def llama(layers: int) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 44, "num_attention_heads": 4, "num_hidden_layers": layers}
    return LlamaForCausalLM(LlamaConfig(vocab_size=97, pad_token_id=0, use_cache=False, **sizes))


def training() -> Training:
    return Training(max_steps=STEPS, per_device_train_batch_size=BATCH, global_batch_size=BATCH, learning_rate=1e-3)


def rows() -> list[Example]:
    ids = torch.randint(1, 97, (STEPS * BATCH, 16), generator=torch.Generator().manual_seed(1)).tolist()
    return [Example(row, row, truncated=False) for row in ids]


def bare(layers: int, folder: Path) -> Iterator[None]:
    model, data = llama(layers).train(), rows()
    optimizer = make_optimizer(model, training())
    for step in range(STEPS):
        batch = collate(data[step * BATCH : (step + 1) * BATCH], pad_id=0)
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        loss = functional.cross_entropy(logits[:, :-1].flatten(0, 1), batch.labels[:, 1:].flatten().long())
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        yield


def ours(layers: int, folder: Path) -> Iterator[None]:
    made = recipe(training(), Ddp(kind="ddp"))
    for _ in train(loop_of(rank_of(0, 1, made, STEPS * BATCH, folder), llama(layers), rows())):
        yield


class Reads(TorchDispatchMode):
    """Numbers that are read from tensors."""

    found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.found += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def reads(rank: int, world: int, folder: Path) -> list[int]:
    """Of each step."""
    with Reads() as counted:
        seen = [counted.found for _ in ours(2, folder)]
    return [after - before for before, after in itertools.pairwise(seen)]


def calls(rank: int, world: int, folder: Path) -> dict[str, int]:
    """Of one settled step, by loop and layers."""
    found = {}
    for name, loop in {"bare": bare, "ours": ours}.items():
        for layers in (2, 6):
            found[f"{name} {layers}"] = _calls_of_a_step(loop(layers, folder / f"{name}-{layers}"))
    return found


def _calls_of_a_step(steps: Iterator[None]) -> int:
    seen: list[int] = []
    count = 0

    def counting(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counting)
    try:
        for _ in steps:
            seen.append(count)
    finally:
        sys.setprofile(None)
    each = [after - before for before, after in itertools.pairwise(seen)]
    return sorted(each[SETTLED - 1 :])[len(each[SETTLED - 1 :]) // 2]


def test_a_step_reads_three_numbers(tmp_path: Path) -> None:
    (found,) = on_ranks(1, tmp_path, reads, tmp_path)
    assert max(found[2:-2]) <= READS, found


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    folder = tmp_path_factory.mktemp("calls")
    found: dict[str, int]
    (found,) = on_ranks(1, folder, calls, folder)
    print(found)
    return found


def test_a_step_makes_few_more_calls_than_a_bare_one(counted: dict[str, int]) -> None:
    assert counted["ours 2"] - counted["bare 2"] <= MORE_CALLS


def test_what_the_loop_adds_does_not_grow_with_the_parameters(counted: dict[str, int]) -> None:
    more = {layers: counted[f"ours {layers}"] - counted[f"bare {layers}"] for layers in (2, 6)}
    assert more[6] - more[2] <= MORE_CALLS / 10, counted
