import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.cluster.profile import Local
from launcher.errors import InvalidInput
from launcher.plan.batch import plan_batches
from launcher.plan.counts import RowCounts
from launcher.plan.parameters import count_parameters
from launcher.plan.placement import Device, Placement
from launcher.plan.plan import Plan, make_plan, plan_lines
from launcher.plan.preview import preview
from launcher.recipe.load import load_recipe
from launcher.recipe.recipe import Recipe
from launcher.recipe.table import DEVICES

RecipeOf = Callable[..., Recipe]

PLACEMENT = Placement(workers=2, device="cpu", threads=1)
ROWS = RowCounts(train=60, test=9, dropped=3)
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 5,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
    "max_position_embeddings": 512,
}


def test_a_plan_says_what_the_recipe_comes_to_on_the_machine(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"global_batch_size": 8, "precision": "bf16"})
    plan = make_plan(recipe, PLACEMENT, ROWS, CONFIG)
    assert plan == Plan(
        recipe="moods",
        method="full",
        strategy="ddp",
        task="instruction",
        precision="bf16",
        placement=PLACEMENT,
        batches=plan_batches(recipe.training, world=2, documents=60),
        rows=ROWS,
        parameters=count_parameters(CONFIG, recipe.method, recipe.task),
    )


def test_a_plan_counts_added_tokens_each_once(recipe_of: RecipeOf) -> None:
    base = {"kind": "pretrained", "name_or_path": "./x", "add_tokens": ["<a>", "<b>", "<a>"]}
    plan = make_plan(recipe_of(model=base), PLACEMENT, ROWS, CONFIG)
    assert plan.parameters is not None
    assert plan.parameters.total == 260_032 + 2 * 64


def test_a_plan_is_told_in_a_few_lines(recipe_of: RecipeOf) -> None:
    plan = make_plan(recipe_of(training={"global_batch_size": 8}), PLACEMENT, ROWS, CONFIG)
    assert plan_lines(plan) == [
        "recipe    moods: full, instruction, ddp, fp32",
        "workers   2 on cpu, 1 threads each",
        "rows      60 to train on, 9 to test on (3 repeated or contradictory left out)",
        "batch     8 rows a step = 2 workers x 1 micro-batches of 4 at most",
        "steps     8 (1 epochs)",
        "weights   260,032, of which 260,032 are trained (100.0%)",
    ]
    clean = replace(plan, rows=replace(ROWS, dropped=0))
    assert plan_lines(clean)[2] == "rows      60 to train on, 9 to test on"
    assert len(plan_lines(replace(plan, parameters=None))) == 5


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ({"zero_stage": 3, "offload_param": True}, None),
        ({"zero_stage": 0, "offload_optimizer": True}, "stage 0 shares no optimiser states"),
    ],
)
def test_a_plan_answers_from_the_table_of_what_is_possible(
    recipe_of: RecipeOf, device: Device, strategy: dict[str, Any], reason: str | None
) -> None:
    recipe = recipe_of(method={"kind": "lora"}, strategy={"kind": "deepspeed", **strategy})
    placement = Placement(1, device, 1)
    if reason is None:
        assert make_plan(recipe, placement, ROWS, CONFIG).strategy == "zero3+param"
        return
    with pytest.raises(InvalidInput) as caught:
        make_plan(recipe, placement, ROWS, CONFIG)
    told = f"on {device}, lora + zero0+optimizer + fp32 + instruction is refused: {reason}"
    assert str(caught.value).startswith(told)


def test_a_plan_knows_what_only_one_device_refuses(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"optim": "paged_adamw_32bit"})
    assert make_plan(recipe, Placement(1, "cuda", 1), ROWS, CONFIG).strategy == "ddp"
    with pytest.raises(InvalidInput, match=r"on CPU use adamw_torch_fused$"):
        make_plan(recipe, PLACEMENT, ROWS, CONFIG)


def test_a_plan_knows_where_kernels_run_and_for_which_models(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"use_liger_kernel": True})
    gpu = Placement(1, "cuda", 1)
    assert make_plan(recipe, gpu, ROWS, CONFIG).strategy == "ddp"
    with pytest.raises(InvalidInput, match=r"^on cpu, use_liger_kernel is refused: .* say training.use_liger_kernel"):
        make_plan(recipe, PLACEMENT, ROWS, CONFIG)
    with pytest.raises(InvalidInput, match=r"^training.use_liger_kernel: .* not with gemma; say false$"):
        make_plan(recipe, gpu, ROWS, {**CONFIG, "model_type": "gemma"})


def test_rows_longer_than_the_models_positions_are_refused(recipe_of: RecipeOf) -> None:
    make_plan(recipe_of(training={"max_length": 512}), PLACEMENT, ROWS, CONFIG)
    with pytest.raises(InvalidInput) as caught:
        make_plan(recipe_of(training={"max_length": 513}), PLACEMENT, ROWS, CONFIG)
    assert str(caught.value) == (
        "training.max_length: 513 tokens do not fit the model's 512 positions; give 512 at the most"
    )


def test_a_misspelt_module_is_refused_before_anything_starts(recipe_of: RecipeOf) -> None:
    method = {"kind": "lora", "target_modules": ["q_proj", "vproj"]}
    with pytest.raises(InvalidInput, match=r"^method\.target_modules: the model has no module 'vproj'"):
        make_plan(recipe_of(method=method), PLACEMENT, ROWS, CONFIG)


def test_a_preview_reads_rows_and_configuration(tmp_path: Path, recipe_of: RecipeOf) -> None:
    rows = [
        {"text": f"{word} {number}", "label": word}
        for word in ("negative", "neutral", "positive")
        for number in range(5)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = {
        "train": {"kind": "jsonl", "url": str(tmp_path / "rows.jsonl")},
        "split": {"train_per_class": 3, "test_per_class": 2},
    }
    recipe = recipe_of(data=data, training={"max_length": 64})
    ahead = preview(recipe, Local(backend="local", workers=1, accelerator="cpu"))
    assert (
        (ahead.plan.batches.documents, ahead.plan.rows.test)
        == (9, 6)
        == (len(ahead.dataset.train), len(ahead.dataset.test))
    )
    assert ahead.config["model_type"] == "llama"
    assert ahead.plan.placement.workers == 1


@pytest.mark.parametrize("name", ["financial-phrasebank-qlora", "sst2-classification-lora"])
def test_recipes_for_real_data_plan(shared: Path, stories: Path, name: str) -> None:
    data = shared / "data"
    urls = {
        "financial-phrasebank-qlora": [f"data.train.url={data}/financial-phrasebank/all-data.csv"],
        "sst2-classification-lora": [f"data.{part}.url={data}/sst2/{part}.tsv" for part in ("train", "test")],
    }
    recipe = load_recipe(f"stories260k/{name}", [*urls[name], f"model.name_or_path={stories}"])
    plan = preview(recipe, Local(backend="local", workers=1, accelerator="cpu")).plan
    assert plan.parameters is not None
    assert 92_480 <= plan.parameters.trainable < plan.parameters.total
    assert plan.batches.steps == -(-plan.batches.documents_consumed // plan.batches.global_batch)
