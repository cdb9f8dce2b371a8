"""Every method trains alike under every strategy, in Ray Train workers."""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.train import RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from launcher.data.encode import Example, encode_example
from launcher.data.headlines import headlines
from launcher.data.split import Row
from launcher.model.adapt import adapt
from launcher.model.fetch import fetch_model
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.plan.placement import Placement
from launcher.recipe.method import Full, Lora, Method, QLora
from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from launcher.train.assemble import make_loop
from launcher.train.engines.ops import build_ops
from launcher.train.loop import train
from launcher.train.ray_local import local_ray
from tests.train import ranks

STEPS, WORKERS = 20, 2
METHODS: list[Method] = [Full(kind="full"), Lora(kind="lora", lora_dropout=0.1), QLora(kind="qlora")]
STRATEGIES: list[Strategy] = [Ddp(kind="ddp"), *(DeepSpeed(kind="deepspeed", zero_stage=stage) for stage in (1, 2))]
PRECISIONS = ("fp32", "bf16")
TOLERANCE = {"fp32": 1e-5, "bf16": 2e-2}
"""Largest difference of a loss from DDP's. In bf16 the two round differently: DDP keeps residuals and norms in fp32 by
autocast, ZeRO has everything in bf16, whose unit in the last place is 1.6e-2 at losses of 2 to 4."""

Cell = tuple[Method, Strategy, str]


def cell_name(cell: Cell) -> str:
    return f"{cell[0].kind} {cell[1].key} {cell[2]}"


def walk(config: dict[str, Any]) -> None:
    """Train every cell one after the other in this worker group, and write down the losses."""
    context = ray.train.get_context()
    found = {}
    for cell in config["cells"]:
        method, strategy, precision = cell
        training = Training(
            max_steps=STEPS,
            per_device_train_batch_size=2,
            global_batch_size=8,
            learning_rate=2e-3,
            precision=precision,
        )
        recipe = ranks.recipe(training, strategy, method, config["model"])
        rank = ranks.rank_of(
            context.get_world_rank(), context.get_world_size(), recipe, len(config["rows"]), Path(config["folder"])
        )
        folder = fetch_model(recipe.model)
        tokenizer = load_tokenizer(folder, recipe.model)
        model = adapt(load_model(recipe, folder, tokenizer, rank.device), recipe)
        loop = make_loop(rank, model, config["rows"], int(tokenizer.pad_token_id))
        found[cell_name(cell)] = [record.loss for record in train(loop)]
    if rank.leads:
        (Path(config["folder"]) / "losses.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def losses(stories: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    folder = tmp_path_factory.mktemp("walk")
    model = ranks.recipe(Training(), STRATEGIES[0], model=str(stories))
    tokenizer = load_tokenizer(stories, model.model)
    rows: list[Example] = [
        encode_example(Row(row, None), model.task, tokenizer, 128) for row in headlines(10, "seen", seed=0)
    ]
    for module in (sys.modules[__name__], ranks):
        ray.cloudpickle.register_pickle_by_value(module)
    cells = list(itertools.product(METHODS, STRATEGIES, PRECISIONS))
    build_ops("cpu")
    with local_ray(Placement(WORKERS, "cpu", 1)) as scratch:
        TorchTrainer(
            walk,
            train_loop_config={"cells": cells, "model": str(stories), "rows": rows, "folder": str(folder)},
            scaling_config=ScalingConfig(num_workers=WORKERS),
            run_config=RunConfig(name="walk", storage_path=str(scratch / "train")),
        ).fit()
    return json.loads((folder / "losses.json").read_text())


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("strategy", STRATEGIES[1:], ids=lambda strategy: strategy.key)
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
def test_20_losses_are_those_of_ddp(
    losses: dict[str, list[float]], method: Method, strategy: Strategy, precision: str
) -> None:
    expected = losses[cell_name((method, STRATEGIES[0], precision))]
    found = losses[cell_name((method, strategy, precision))]
    difference = max(abs(one - other) for one, other in zip(found, expected, strict=True))
    print(f"{method.kind} {strategy.key} {precision}: largest difference of a loss {difference:.1e}")
    assert len(found) == STEPS
    assert difference <= TOLERANCE[precision]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
def test_losses_fall(losses: dict[str, list[float]], method: Method) -> None:
    for strategy, precision in itertools.product(STRATEGIES, PRECISIONS):
        curve = losses[cell_name((method, strategy, precision))]
        assert sum(curve[-5:]) < sum(curve[:5]) - 0.1
