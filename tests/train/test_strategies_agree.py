"""Every method trains, scores and stores alike under every strategy, in Ray Train workers."""

import itertools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from safetensors.torch import load_file

from launcher.data.encode import Example, Question, encode_rows
from launcher.data.headlines import headlines
from launcher.data.rows import Row
from launcher.model.fetch import fetch_model
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.plan.placement import Placement
from launcher.recipe.method import Full, Lora, Method, QLora
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from launcher.train.engines.ops import build_ops
from launcher.train.loop import train
from launcher.train.ray_local import local_ray
from launcher.train.results import commit_model
from launcher.train.scoring import shared_scores
from tests.train import ranks

STEPS, WORKERS = 20, 2
METHODS: list[Method] = [Full(kind="full"), Lora(kind="lora", lora_dropout=0.1), QLora(kind="qlora")]
DDP = Ddp(kind="ddp")
OFFLOADS = [
    {},
    {"offload_optimizer": True},
    {"offload_param": True},
    {"offload_optimizer": True, "offload_param": True},
]
ZERO: list[Strategy] = [
    # With a threshold of 0 ZeRO 3 partitions every parameter of a small model too
    DeepSpeed(kind="deepspeed", zero_stage=stage, param_persistence_threshold=0, **offload)
    for stage, offload in itertools.product((0, 1, 2, 3), OFFLOADS)
]
PRECISIONS = ("fp32", "bf16")
TOLERANCE = {"fp32": 1e-5, "bf16": 2e-2}
"""Largest difference of a loss from DDP's. In bf16 the two round differently: DDP keeps residuals and norms in fp32 by
autocast, ZeRO has everything in bf16, whose unit in the last place is 1.6e-2 at losses of 2 to 4."""

Cell = tuple[Method, Strategy, str]


def cell_name(cell: Cell) -> str:
    return f"{cell[0].kind} {cell[1].key} {cell[2]}"


def possible(cell: Cell) -> bool:
    training = Training(precision=cell[2])
    return recipe_refusal(ranks.recipe(training, cell[1], cell[0]), "cpu") is None


CELLS = [cell for cell in itertools.product(METHODS, [DDP, *ZERO], PRECISIONS) if possible(cell)]
QUICK = {
    "full zero2 fp32",
    "full zero3+optimizer+param fp32",
    "lora zero2 fp32",
    "qlora zero3 fp32",
    "full zero3 bf16",
    "qlora zero3 bf16",
}
"""What `make test` trains, beside the DDP that it is held against; `make e2e` trains the other cells."""


def cases(*, with_ddp: bool) -> list[Any]:
    """The cells as pytest's parameters."""
    return [
        pytest.param(cell, id=cell_name(cell), marks=[] if cell_name(cell) in QUICK else pytest.mark.slow)
        for cell in CELLS
        if with_ddp or cell[1] != DDP
    ]


@dataclass
class Found:
    """What a cell's rank 0 saw."""

    base: list[float]
    """Scores of the test rows before training."""
    losses: list[float]
    tuned: list[float]
    """Scores of the test rows after training."""
    folder: str
    """Where the trained weights were stored."""


def walk(config: dict[str, Any]) -> None:
    """Train every cell one after the other in this worker group, and write down what was seen."""
    context = ray.train.get_context()
    found = {}
    for number, cell in enumerate(config["cells"]):
        method, strategy, precision = cell
        training = Training(
            max_steps=STEPS,
            per_device_train_batch_size=2,
            global_batch_size=8,
            learning_rate=2e-3,
            precision=precision,
            weight_decay=0.1,
        )
        recipe = ranks.recipe(training, strategy, method, config["model"])
        folder = Path(config["folder"], str(number))
        rank = ranks.rank_of(context.get_world_rank(), context.get_world_size(), recipe, len(config["rows"]), folder)
        base = fetch_model(recipe.model)
        tokenizer = load_tokenizer(base, recipe.model)
        pad_id = int(tokenizer.pad_token_id)
        model = trainable_model(recipe, base, tokenizer, rank.device)
        loop = ranks.loop_of(rank, model, config["rows"], pad_id)
        before = shared_scores(rank, model, config["questions"], pad_id)
        losses = [record.measured.loss for record in train(loop)]
        after = shared_scores(rank, model, config["questions"], pad_id)
        commit_model(rank, model, tokenizer, STEPS)
        found[cell_name(cell)] = [_flat(before), losses, _flat(after), str(folder)]
    if context.get_world_rank() == 0:
        (Path(config["folder"]) / "found.json").write_text(json.dumps(found))


def _flat(scores: list[list[float]]) -> list[float]:
    return [each for row in scores for each in row]


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest, stories: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    """The cells that tests of this session ask for, and DDP to hold them against."""
    asked = [item.callspec.params.get("cell") for item in request.session.items if hasattr(item, "callspec")]
    wanted = [cell for cell in CELLS if cell in asked]
    held_against = {(method.kind, precision) for method, _, precision in wanted}
    cells = [cell for cell in CELLS if cell in wanted or (cell[1] == DDP and (cell[0].kind, cell[2]) in held_against)]
    folder = tmp_path_factory.mktemp("walk")
    recipe = ranks.recipe(Training(), DDP, model=str(stories))
    tokenizer = load_tokenizer(stories, recipe.model)
    texts = [Row(row, None) for row in headlines(10, "seen", seed=0)]
    rows: list[Example] = list(encode_rows(texts, recipe.task, tokenizer, 128))
    questions = [Question(row.input_ids[:9], [row.input_ids[9:12], row.input_ids[12:14]]) for row in rows[:5]]
    for module in (sys.modules[__name__], ranks):
        ray.cloudpickle.register_pickle_by_value(module)
    config = {"cells": cells, "model": str(stories), "rows": rows, "questions": questions, "folder": str(folder)}
    build_ops("cpu")
    with local_ray(Placement(WORKERS, "cpu", 1)) as scratch:
        TorchTrainer(
            walk,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=WORKERS),
            run_config=RunConfig(name="walk", storage_path=str(scratch / "train")),
        ).fit()
    made = json.loads((folder / "found.json").read_text())
    named = len(METHODS) * (1 + len(ZERO)) * len(PRECISIONS)
    print(f"{len(made)} cells trained of {named}; the table refuses the rest")
    return {name: Found(*seen) for name, seen in made.items()}


def furthest(one: list[float], other: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def test_every_cell_that_the_table_allows_is_here() -> None:
    keys = {cell[1].key for cell in CELLS}
    offloaded = {"zero1+optimizer", "zero2+optimizer", "zero3+optimizer", "zero3+param", "zero3+optimizer+param"}
    assert keys == {"ddp", "zero0", "zero1", "zero2", "zero3"} | offloaded
    assert len(CELLS) == 3 * 10 * 2


@pytest.mark.parametrize("cell", cases(with_ddp=False))
def test_20_losses_and_the_scores_before_and_after_are_those_of_ddp(found: dict[str, Found], cell: Cell) -> None:
    method, _, precision = cell
    expected, seen = found[cell_name((method, DDP, precision))], found[cell_name(cell)]
    assert len(seen.losses) == STEPS
    difference = furthest(seen.losses, expected.losses)
    base, tuned = furthest(seen.base, expected.base), furthest(seen.tuned, expected.tuned)
    print(f"{cell_name(cell)}: losses {difference:.1e}, scores of the base {base:.1e}, of the tuned {tuned:.1e}")
    assert difference <= TOLERANCE[precision]
    # Scores are sums of up to three tokens of continuations that are no text, and bf16 weights differ by then
    relative, absolute = {"fp32": (1e-5, 1e-5), "bf16": (5e-2, 5e-1)}[precision]
    assert seen.base == pytest.approx(expected.base, rel=relative, abs=absolute)
    assert seen.tuned == pytest.approx(expected.tuned, rel=relative, abs=absolute)


@pytest.mark.parametrize("cell", cases(with_ddp=False))
def test_stored_weights_are_those_of_ddp(found: dict[str, Found], cell: Cell) -> None:
    method, _, precision = cell
    expected, seen = (_weights(found[cell_name(each)]) for each in ((method, DDP, precision), cell))
    assert seen.keys() == expected.keys()
    differences = {name: float((seen[name].float() - expected[name].float()).abs().max()) for name in expected}
    assert max(differences.values()) <= {"fp32": 1e-4, "bf16": 4e-2}[precision], differences


@pytest.mark.parametrize("cell", cases(with_ddp=True))
def test_losses_fall(found: dict[str, Found], cell: Cell) -> None:
    losses = found[cell_name(cell)].losses
    assert sum(losses[-5:]) < sum(losses[:5]) - 0.1


def _weights(found: Found) -> dict[str, Any]:
    (file,) = Path(found.folder).glob("model/*.safetensors")
    return load_file(file)
