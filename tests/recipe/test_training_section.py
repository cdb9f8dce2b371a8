"""What one training parameter asks of another, and what training asks of other sections."""

from pathlib import Path

import pytest

from launcher.recipe.during_training import training_findings
from launcher.recipe.load import load_section
from launcher.recipe.optimizers import BITSANDBYTES, optimizer_refusal
from launcher.recipe.problem import dotted
from launcher.recipe.recipe import Recipe
from launcher.recipe.table import DEVICES, STRATEGIES
from launcher.recipe.training import in_steps

REFUSED = [
    ("eval_steps: 5", "eval_steps: eval_steps needs eval_strategy: steps"),
    ("eval_strategy: epoch, eval_steps: 5", "eval_steps: eval_steps needs eval_strategy: steps"),
    ("save_strategy: epoch, save_steps: 5", "save_steps: save_steps needs save_strategy: steps"),
    ("logging_strategy: no, logging_steps: 5", "logging_steps: logging_steps needs logging_strategy: steps"),
    (
        "early_stopping_patience: 2",
        "early_stopping_patience: early_stopping_patience needs eval_strategy: steps or epoch",
    ),
    (
        "load_best_model_at_end: true",
        "load_best_model_at_end: load_best_model_at_end needs eval_strategy: steps or epoch",
    ),
    (
        "eval_strategy: epoch, early_stopping_threshold: 0.1",
        "early_stopping_threshold: early_stopping_threshold needs early_stopping_patience",
    ),
    ("eval_strategy: steps, eval_steps: 0", "eval_steps: expected a number greater than 0, found 0"),
    (
        "eval_strategy: steps, eval_steps: 1.5",
        "eval_steps: expected a whole number or a number less than 1, found 1.5",
    ),
    (
        "lr_scheduler_type: cosine, lr_scheduler_kwargs: {power: 2.0}",
        "lr_scheduler_kwargs: cosine does not take power; it takes num_cycles",
    ),
    (
        "lr_scheduler_type: linear, lr_scheduler_kwargs: {power: 2.0}",
        "lr_scheduler_kwargs: linear does not take power; it takes no options",
    ),
    ("lr_scheduler_kwargs: {powr: 2.0}", "lr_scheduler_kwargs.powr: unknown key; did you mean power?"),
    (
        "lr_scheduler_type: cosine_with_min_lr",
        "lr_scheduler_kwargs: cosine_with_min_lr needs min_lr or min_lr_rate, and not both",
    ),
    (
        "lr_scheduler_type: cosine_with_min_lr, lr_scheduler_kwargs: {min_lr: 1e-6, min_lr_rate: 0.1}",
        "lr_scheduler_kwargs: cosine_with_min_lr needs min_lr or min_lr_rate, and not both",
    ),
    ("lr_scheduler_type: warmup_stable_decay", "lr_scheduler_kwargs: warmup_stable_decay needs num_decay_steps"),
    (
        "lr_scheduler_type: polynomial, lr_scheduler_kwargs: {lr_end: 1.0}",
        "lr_scheduler_kwargs: lr_end 1.0 must be less than learning_rate 0.0002",
    ),
]


@pytest.mark.parametrize(("written", "line"), REFUSED)
def test_what_means_nothing_by_itself_is_refused(written, line, recipe_text, write, told):
    write("moods.yaml", recipe_text.partition("training:")[0] + f"training: {{{written}}}\n")
    (only,) = told("moods.yaml")
    assert only.partition(" training.")[2] == line


FINDINGS = [
    ([], []),
    (["training.eval_strategy=epoch", "data.split.validation_per_class=3"], []),
    (
        ["training.eval_strategy=epoch"],
        ["training.eval_strategy: there are no validation rows to evaluate on; give data.validation (a source) or "
         "data.split.validation_per_class"],
    ),
    (
        ["training={eval_strategy: epoch, early_stopping_patience: 1, metric_for_best_model: accuracy}",
         "data.split.validation_per_class=3", "task.label_words=null"],
        ["training.metric_for_best_model: accuracy needs a task with labels; say loss"],
    ),
    (
        ["training.optim=adafactor"],
        ["training.optim: adafactor + zero2 is refused: it factors whole matrices, and ZeRO hands it flat parts of "
         "them; use strategy.kind ddp, or adamw_torch_fused"],
    ),
    (["training.optim=paged_adamw_32bit"], []),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "lines"), FINDINGS)
def test_what_training_asks_of_other_sections_is_told(overrides, lines, recipe_text, write):
    write("moods.yaml", recipe_text)
    recipe = load_section(Recipe, Path("moods.yaml"), overrides)
    assert [f"{dotted(path)}: {'; '.join(filter(None, told))}" for path, *told in training_findings(recipe)] == lines


def test_optimisers_of_bitsandbytes_run_on_gpus_where_states_stay_there():
    for optim in BITSANDBYTES:
        assert all("on CPU use adamw_torch_fused" in str(optimizer_refusal(optim, "cpu", key)) for key in STRATEGIES)
        free = {key for key in STRATEGIES if optimizer_refusal(optim, "cuda", key) is None}
        shared = optim.endswith("8bit")  # blocks of 256, which ZeRO lays across parameters, could not be resumed
        assert free == {key for key in STRATEGIES if "+optimizer" not in key and (whole(key) or not shared)}


def whole(strategy: str) -> bool:
    """Whether a rank's optimiser sees whole matrices."""
    return strategy == "ddp" or strategy.startswith("zero0")


def test_adafactor_runs_where_matrices_stay_whole():
    for device in DEVICES:
        assert not [key for key in STRATEGIES if whole(key) != (optimizer_refusal("adafactor", device, key) is None)]


@pytest.mark.parametrize("optim", ["adamw_torch", "adamw_torch_fused", "sgd"])
def test_optimisers_of_torch_run_everywhere(optim):
    assert {optimizer_refusal(optim, device, key) for device in DEVICES for key in STRATEGIES} == {None}


def test_a_share_of_the_steps_is_rounded_up_as_it_is_written_in_decimals():
    assert [in_steps(interval, 100) for interval in (7, 0.07, 0.071, 0.0)] == [7, 7, 8, 0]
