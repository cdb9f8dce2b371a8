"""What of a recipe is made smaller for a dry run, and what a person is told of it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from launcher.dryrun.architecture import small_config
from launcher.dryrun.shrink import FUSED, MICRO_BATCHES, WORKERS, Traits, shrink
from launcher.errors import InvalidInput
from launcher.plan.shapes import KNOWN
from launcher.recipe.method import Lora
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed

TRAITS = Traits(accumulates=False, cpu_fp16=True, layers=32)
RecipeOf = Callable[..., Recipe]


def told(recipe: Recipe, traits: Traits = TRAITS) -> Mapping[str, str]:
    return dict(shrink(recipe, traits).notes)


@pytest.mark.parametrize("asked", [{"global_batch_size": 64}, {"gradient_accumulation_steps": 8}])
def test_a_recipe_that_accumulates_still_does(recipe_of: RecipeOf, asked: dict[str, int]) -> None:
    recipe = recipe_of(training={"per_device_train_batch_size": 4, **asked})
    training = shrink(recipe, Traits(accumulates=True, cpu_fp16=True, layers=32)).recipe.training
    rows = training.global_batch_size or WORKERS * training.micro_batch * (training.gradient_accumulation_steps or 1)
    assert rows == WORKERS * training.micro_batch * MICRO_BATCHES


def test_one_that_does_not_still_does_not(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"per_device_train_batch_size": 1, "global_batch_size": 8})
    assert shrink(recipe, TRAITS).recipe.training.global_batch_size == WORKERS


def test_an_optimiser_of_gpus_gives_way_and_that_is_told(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"optim": "paged_adamw_32bit"})
    assert shrink(recipe, TRAITS).recipe.training.optim == FUSED
    assert told(recipe) == {"optimiser": f"paged_adamw_32bit needs a GPU: {FUSED} in its place"}


def test_an_optimiser_that_runs_here_stays(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"optim": "adafactor"})
    assert (shrink(recipe, TRAITS).recipe.training.optim, told(recipe)) == ("adafactor", {})


def test_kernels_of_gpus_give_way_and_that_is_told(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"use_liger_kernel": True})
    assert shrink(recipe, TRAITS).recipe.training.use_liger_kernel is False
    assert told(recipe) == {"kernels": "Liger's need a GPU: the model's own in their place"}


@pytest.mark.parametrize(("cpu_fp16", "precision"), [(True, "fp16"), (False, "bf16")])
def test_fp16_stays_where_the_cpu_computes_in_it(recipe_of: RecipeOf, cpu_fp16: bool, precision: str) -> None:
    recipe, traits = recipe_of(training={"precision": "fp16"}), Traits(False, cpu_fp16, 32)
    assert shrink(recipe, traits).recipe.training.precision == precision
    assert ("precision" in told(recipe, traits)) is not cpu_fp16


def test_a_run_that_commits_nothing_is_made_to_commit(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(training={"save_strategy": "no"})
    assert shrink(recipe, TRAITS).recipe.training.saving == "steps"
    assert "commits" in told(recipe)


def test_what_takes_the_last_or_first_many_steps_takes_few(recipe_of: RecipeOf) -> None:
    options = {"num_decay_steps": 1000, "min_lr_ratio": 0.1}
    schedule = {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": options, "warmup_steps": 500}
    training = shrink(recipe_of(training=schedule), TRAITS).recipe.training
    assert training.lr_scheduler_kwargs.given == {"num_decay_steps": 1, "min_lr_ratio": 0.1}
    assert training.warmup_steps == 1


def test_early_stopping_cannot_end_it_before_its_last_step(recipe_of: RecipeOf) -> None:
    stopping = {"eval_strategy": "epoch", "early_stopping_patience": 1, "load_best_model_at_end": True}
    training = shrink(recipe_of(training=stopping), TRAITS).recipe.training
    assert (training.eval_strategy, training.eval_steps, training.max_steps) == ("steps", 3, 12)


def test_layers_with_adapters_are_the_few_that_are_left(recipe_of: RecipeOf) -> None:
    method = {"kind": "lora", "target_modules": ["q_proj"], "layers_to_transform": [0, 15, 31]}
    small = shrink(recipe_of(method=method), TRAITS).recipe.method
    assert isinstance(small, Lora)
    assert small.layers_to_transform == [0, 1]


def test_an_adapter_to_go_on_from_is_left_out_and_that_is_told(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(method={"kind": "lora", "warm_start": "s3://bucket/run"})
    small = shrink(recipe, TRAITS).recipe.method
    assert isinstance(small, Lora)
    assert small.warm_start is None
    assert "s3://bucket/run" in told(recipe)["warm start"]


def test_a_base_that_is_taken_as_it_is_keeps_its_adapters(recipe_of: RecipeOf) -> None:
    recipe = recipe_of(method={"kind": "lora", "r": 64, "warm_start": "runs/one"})
    assert shrink(recipe, Traits(False, True, 5, whole_base=True)).recipe.method == recipe.method


def test_zero_3_has_something_to_partition(recipe_of: RecipeOf) -> None:
    strategy = shrink(recipe_of(strategy={"kind": "deepspeed", "zero_stage": 3}), TRAITS).recipe.strategy
    assert isinstance(strategy, DeepSpeed)
    assert strategy.param_persistence_threshold < 1024, "elements of a matrix of the narrowest model"


@pytest.mark.parametrize("name", KNOWN)
def test_a_small_model_keeps_family_head_ratio_vocabulary_and_positions(name: str) -> None:
    real = KNOWN[name]
    small = small_config(real)
    for key in ("model_type", "vocab_size", "max_position_embeddings"):
        assert small[key] == real[key]
    if "num_key_value_heads" in real:
        ratio = real["num_attention_heads"] // real["num_key_value_heads"]
        assert small["num_attention_heads"] == ratio * small["num_key_value_heads"]
    assert small["hidden_size"] % small["num_attention_heads"] == 0
    assert small["hidden_size"] <= 128
    assert small["num_hidden_layers"] == 2


def test_lists_with_an_entry_a_layer_and_experts_shrink_too() -> None:
    kinds = ["sliding_attention"] * 3 + ["full_attention"]
    more: dict[str, Any] = {"layer_types": kinds, "head_dim": 128, "num_experts": 64, "moe_intermediate_size": 1536}
    small = small_config({**KNOWN["llama-3-8b"], **more, "quantization_config": {"bits": 4}})
    assert small["layer_types"] == kinds[:2]
    assert (small["head_dim"], small["num_experts"], small["moe_intermediate_size"]) == (8, 4, 16)
    assert "quantization_config" not in small


def test_a_configuration_without_the_usual_sizes_is_refused_by_their_names() -> None:
    with pytest.raises(
        InvalidInput, match=r"says no intermediate_size, num_hidden_layers, .* say .*training\.max_steps=3"
    ):
        small_config({"model_type": "odd", "hidden_size": 64, "num_attention_heads": 4, "n_layer": 3})
