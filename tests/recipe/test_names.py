"""Every training parameter under each of its names, in a file and as an override, does what it says."""

from collections.abc import Callable
from dataclasses import fields as dataclass_fields
from typing import Any, get_args

import pytest
import torch
from bitsandbytes.optim import AdamW as BitsAndBytesAdamW
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments
from transformers.optimization import Adafactor

from launcher.data.encode import Example
from launcher.data.encode.text import text_examples
from launcher.data.rows import Row
from launcher.model.neftune import add_neftune
from launcher.plan.batch import BatchPlan, plan_batches
from launcher.recipe.aliases import ALIASES, VALUES
from launcher.recipe.elsewhere import ELSEWHERE
from launcher.recipe.load import load_recipe
from launcher.recipe.recipe import Recipe
from launcher.recipe.schedule import OPTIONS, SchedulerName
from launcher.recipe.task import Text
from launcher.recipe.training import Training
from launcher.train.cadence import EarlyStopping, Moment, evaluation_due, log_due, save_due
from launcher.train.optimizer import make_optimizer
from launcher.train.schedule import Schedule
from tests.data.letters import Letters
from tests.memory_set import MemorySet

ROWS = 100
Effect = Callable[[Recipe], Any]


def plan(recipe: Recipe) -> BatchPlan:
    return plan_batches(recipe.training, world=2, documents=ROWS)


def optimizer(recipe: Recipe) -> torch.optim.Optimizer:
    return make_optimizer(nn.Sequential(nn.Embedding(8, 4), nn.Linear(4, 4)), recipe.training)


def group(key: str) -> Effect:
    return lambda recipe: [group[key] for group in optimizer(recipe).param_groups]


def bits_and_pages(recipe: Recipe) -> tuple[type, int, bool]:
    made = optimizer(recipe)
    assert isinstance(made, BitsAndBytesAdamW)
    return type(made), made.args.optim_bits, made.is_paged


def rates(*steps: int) -> Effect:
    """The learning rate at some of 20 steps, the highest as 1."""

    def of(recipe: Recipe) -> list[float]:
        schedule = Schedule(optimizer(recipe), recipe.training, 20)
        return [round(schedule.set(step) / recipe.training.learning_rate, 4) for step in steps]

    return of


def due(when: Callable[[Training, Moment], bool]) -> Effect:
    """The steps of a run of 25 at which it is time; an epoch has 12.5."""

    def of(recipe: Recipe) -> list[int]:
        steps = plan_batches(recipe.training, world=1, documents=ROWS).steps
        assert steps == 25
        run = [Moment(step, steps, last=step == steps, epoch_ended=step in (13, 25)) for step in range(1, steps + 1)]
        return [now.step for now in run if when(recipe.training, now)]

    return of


def documents() -> MemorySet:
    """As many as there are rows, 2 to 101 tokens long."""
    return MemorySet([Example([1] * (2 + row), [1] * (2 + row), truncated=False) for row in range(ROWS)])


def longest_and_shortest(recipe: Recipe) -> list[int]:
    """Lengths of the rows of the first step."""
    step = documents().feed(recipe.training).next()
    assert step is not None
    lengths = [int(mask.sum()) for _, batch in step.batches for mask in batch.attention_mask]
    return [max(lengths), min(lengths)]


def noise(recipe: Recipe) -> float:
    """The largest change of an embedding of 16 numbers in a row of 4 tokens, in units of 1 / sqrt(64)."""
    config = LlamaConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=8)
    model = LlamaForCausalLM(config)
    ids = torch.zeros(500, 4, dtype=torch.long)
    alpha = recipe.training.neftune_noise_alpha
    assert alpha is not None
    before = model.get_input_embeddings()(ids)
    add_neftune(model, alpha)
    return round(float((model.train().get_input_embeddings()(ids) - before).detach().abs().max()) * 8, 1)


def pieces(recipe: Recipe) -> list[tuple[int, bool]]:
    """Tokens of the rows that a text of eleven becomes, and whether it was cut."""
    examples = text_examples(Row({"text": "a" * 9}, None), Text(kind="text"), Letters(), 6, recipe.long_documents)
    return [(len(example.input_ids), example.truncated) for example in examples]


def first_rows(training: Training) -> list[int]:
    return documents().order(training, 1, 5)[0]


def first_rows_of(recipe: Recipe) -> list[int]:
    return first_rows(recipe.training)


def stops_at(*losses: float) -> Effect:
    """The first evaluation to stop at, and the best one."""

    def of(recipe: Recipe) -> tuple[int | None, int | None]:
        stopping = EarlyStopping.of(recipe.training)
        stop = next((step for step, loss in enumerate(losses, 1) if stopping.update(step, loss)), None)
        return stop, stopping.best_step

    return of


def training(field: str) -> Effect:
    return lambda recipe: getattr(recipe.training, field)


EPOCH_STEPS = "num_train_epochs: 2"
"""With the batch of 8 on one rank, 25 steps over 100 rows."""

CASES: list[tuple[str, Effect, Any]] = [
    ("num_train_epochs: 3", lambda recipe: plan(recipe).documents_consumed, 300),
    ("num_epochs: 3", lambda recipe: plan(recipe).documents_consumed, 300),
    ("epochs: 3", lambda recipe: plan(recipe).documents_consumed, 300),
    ("max_steps: 7", lambda recipe: plan(recipe).steps, 7),
    ("max_steps: -1, num_train_epochs: 4", lambda recipe: plan(recipe).epochs, 4),
    ("per_device_train_batch_size: 4", lambda recipe: plan(recipe).micro_batch, 4),
    ("per_gpu_train_batch_size: 4", lambda recipe: plan(recipe).micro_batch, 4),
    ("micro_batch_size: 4", lambda recipe: plan(recipe).micro_batch, 4),
    ("micro_batch: 4", lambda recipe: plan(recipe).micro_batch, 4),
    ("gradient_accumulation_steps: 3", lambda recipe: plan(recipe).global_batch, 48),
    ("global_batch_size: 24", lambda recipe: (plan(recipe).global_batch, plan(recipe).accumulation), (24, 2)),
    ("max_length: 99", training("max_length"), 99),
    ("max_seq_length: 99", training("max_length"), 99),
    ("max_seq_len: 99", training("max_length"), 99),
    ("model_max_length: 99", training("max_length"), 99),
    ("precision: bf16", training("precision"), "bf16"),
    ("bf16: true", training("precision"), "bf16"),
    ("fp16: true", training("precision"), "fp16"),
    ("fp16: false, bf16: true", training("precision"), "bf16"),
    ("fp16: false, bf16: false", training("precision"), "fp32"),
    ("mixed_precision: fp16", training("precision"), "fp16"),
    ("mixed_precision: no", training("precision"), "fp32"),
    (
        "optim: adamw_torch_fused",
        lambda recipe: (type(optimizer(recipe)), group("fused")(recipe)[0]),
        (torch.optim.AdamW, True),
    ),
    (
        "optim: adamw_torch",
        lambda recipe: (type(optimizer(recipe)), group("fused")(recipe)[0]),
        (torch.optim.AdamW, False),
    ),
    (
        "optim: adamw_hf",
        lambda recipe: (type(optimizer(recipe)), group("fused")(recipe)[0]),
        (torch.optim.AdamW, False),
    ),
    ("optim: adamw", lambda recipe: (type(optimizer(recipe)), group("fused")(recipe)[0]), (torch.optim.AdamW, False)),
    ("optim: sgd", lambda recipe: type(optimizer(recipe)), torch.optim.SGD),
    ("optimizer: sgd", lambda recipe: type(optimizer(recipe)), torch.optim.SGD),
    (
        "optim: adafactor",
        lambda recipe: (type(optimizer(recipe)), group("scale_parameter")(recipe)),
        (Adafactor, [False] * 2),
    ),
    (
        "adafactor: true",
        lambda recipe: (type(optimizer(recipe)), group("relative_step")(recipe)),
        (Adafactor, [False] * 2),
    ),
    ("optim: adamw_bnb_8bit", bits_and_pages, (BitsAndBytesAdamW, 8, False)),
    ("optim: adamw_8bit", bits_and_pages, (BitsAndBytesAdamW, 8, False)),
    ("optim: paged_adamw_8bit", bits_and_pages, (BitsAndBytesAdamW, 8, True)),
    ("optim: paged_adamw_32bit", bits_and_pages, (BitsAndBytesAdamW, 32, True)),
    ("optim: paged_adamw", bits_and_pages, (BitsAndBytesAdamW, 32, True)),
    ("learning_rate: 0.03", group("lr"), [0.03, 0.03]),
    ("lr: 0.03", group("lr"), [0.03, 0.03]),
    ("weight_decay: 0.1", group("weight_decay"), [0.1, 0.0]),
    ("adam_beta1: 0.5, adam_beta2: 0.6", group("betas"), [(0.5, 0.6)] * 2),
    ("adam_epsilon: 1e-6", group("eps"), [1e-6, 1e-6]),
    ("max_grad_norm: 0.3", training("max_grad_norm"), 0.3),
    ("gradient_clipping: 0.3", training("max_grad_norm"), 0.3),
    ("clip_grad_norm: 0.3", training("max_grad_norm"), 0.3),
    ("max_grad_norm: 0", training("max_grad_norm"), None),
    ("lr_scheduler_type: linear", rates(0, 10, 20), [1, 0.5, 0]),
    ("scheduler: constant", rates(0, 10, 20), [1, 1, 1]),
    ("lr_scheduler: cosine", rates(0, 5, 10, 20), [1, 0.8536, 0.5, 0]),
    ("lr_scheduler_type: constant, warmup_ratio: 0.5", rates(0, 5, 20), [1, 1, 1]),
    ("lr_scheduler_type: constant_with_warmup, warmup_steps: 10", rates(0, 5, 20), [0, 0.5, 1]),
    ("lr_scheduler_type: cosine_with_restarts, lr_scheduler_kwargs: {num_cycles: 2}", rates(0, 9, 10), [1, 0.0245, 1]),
    ("lr_scheduler_type: polynomial, lr_scheduler_kwargs: {power: 2.0, lr_end: 0.0}", rates(0, 10, 20), [1, 0.25, 0]),
    ("lr_scheduler_type: inverse_sqrt, warmup_steps: 4, lr_scheduler_kwargs: {timescale: 4}", rates(4, 16), [1, 0.5]),
    (
        "lr_scheduler_type: cosine_with_min_lr, lr_scheduler_kwargs: {min_lr_rate: 0.1}",
        rates(0, 10, 20),
        [1, 0.55, 0.1],
    ),
    (
        "lr_scheduler_type: cosine_warmup_with_min_lr, warmup_steps: 4, "
        "lr_scheduler_kwargs: {min_lr_rate: 0.1, warmup_lr_rate: 0.5}",
        rates(0, 4, 20),
        [0.5, 0.9914, 0.1086],  # transformers takes the middle of each step
    ),
    (
        "lr_scheduler_type: warmup_stable_decay, warmup_steps: 4, lr_scheduler_kwargs: {num_decay_steps: 10}",
        rates(2, 4, 10, 15, 20),
        [0.5, 1, 1, 0.5, 0],
    ),
    ("warmup_ratio: 0.25", rates(0, 1, 5), [0, 0.2, 1]),
    ("warmup_steps: 4", rates(0, 1, 4), [0, 0.25, 1]),
    ("warmup_steps: 0.25", rates(0, 1, 5), [0, 0.2, 1]),
    ("gradient_checkpointing: true", training("gradient_checkpointing"), True),
    ("activation_checkpointing: true", training("gradient_checkpointing"), True),
    ("seed: 7", first_rows_of, first_rows(Training(seed=7))),
    ("random_seed: 7", first_rows_of, first_rows(Training(seed=7))),
    ("seed: 7, data_seed: 8", first_rows_of, first_rows(Training(seed=8))),
    ("neftune_noise_alpha: 5", noise, 5.0),
    ("use_liger_kernel: true", training("use_liger_kernel"), True),
    ("use_liger: true", training("use_liger_kernel"), True),
    ("enable_liger_kernel: true", training("use_liger_kernel"), True),
    ("train_sampling_strategy: group_by_length", longest_and_shortest, [101, 89]),
    ("group_by_length: true", longest_and_shortest, [101, 89]),
    ("group_by_length: false", longest_and_shortest, [94, 8]),
    ("packing: true", training("mode"), "packed"),
    ("packing: false", training("mode"), "padded"),
    ("packing: false, group_by_length: true", training("mode"), "length-grouped"),
    ("sample_packing: true", training("mode"), "packed"),
    ("neat_packing: true", training("mode"), "packed"),
    ("packing: true, neat_packing: true", training("mode"), "packed"),
    ("packing: true, neat_packing: false", training("mode"), "packed"),
    ("neat_packing: false", training("mode"), "padded"),
    ("long_documents: truncate", pieces, [(6, True)]),
    ("long_documents: null", pieces, [(6, True)]),
    ("packing: true, packing_strategy: bfd", pieces, [(6, True)]),
    (f"{EPOCH_STEPS}", due(log_due), list(range(1, 26))),
    (f"{EPOCH_STEPS}, logging_steps: 10", due(log_due), [10, 20, 25]),
    (f"{EPOCH_STEPS}, logging_steps: 10, logging_first_step: true", due(log_due), [1, 10, 20, 25]),
    (f"{EPOCH_STEPS}, logging_strategy: epoch", due(log_due), [13, 25]),
    (f"{EPOCH_STEPS}, logging_strategy: no", due(log_due), []),
    (f"{EPOCH_STEPS}", due(evaluation_due), []),
    (f"{EPOCH_STEPS}, eval_strategy: epoch", due(evaluation_due), [13, 25]),
    (f"{EPOCH_STEPS}, evaluation_strategy: epoch", due(evaluation_due), [13, 25]),
    (f"{EPOCH_STEPS}, eval_strategy: steps", due(evaluation_due), [25]),
    (f"{EPOCH_STEPS}, eval_strategy: steps, logging_steps: 12", due(evaluation_due), [12, 24, 25]),
    (f"{EPOCH_STEPS}, eval_strategy: steps, eval_steps: 10", due(evaluation_due), [10, 20, 25]),
    (f"{EPOCH_STEPS}, evaluation_strategy: steps, eval_steps: 0.3", due(evaluation_due), [8, 16, 24, 25]),
    (f"{EPOCH_STEPS}", due(save_due), [25]),
    (f"{EPOCH_STEPS}", training("saving"), "auto"),
    (f"{EPOCH_STEPS}, save_strategy: minutes", due(save_due), [25]),
    ("save_minutes: 2.5", lambda recipe: (recipe.training.saving, recipe.training.save_minutes), ("minutes", 2.5)),
    ("save_strategy: auto, save_budget: 0.05", training("save_budget"), 0.05),
    ("save_keep_every_steps: 100", training("save_keep_every_steps"), 100),
    ("save_keep_best: 2", training("save_keep_best"), 2),
    (f"{EPOCH_STEPS}, save_steps: 10", due(save_due), [10, 20, 25]),
    (f"{EPOCH_STEPS}, save_steps: 0", due(save_due), [25]),
    (f"{EPOCH_STEPS}, save_strategy: epoch", due(save_due), [13, 25]),
    (f"{EPOCH_STEPS}, save_strategy: no", due(save_due), []),
    ("save_total_limit: 2", training("save_total_limit"), 2),
    ("eval_strategy: epoch, load_best_model_at_end: true", training("load_best_model_at_end"), True),
    ("metric_for_best_model: loss", stops_at(0.5, 0.3, 0.4), (None, 2)),
    ("metric_for_best_model: eval_loss", stops_at(0.5, 0.3, 0.4), (None, 2)),
    ("metric_for_best_model: accuracy", stops_at(0.5, 0.3, 0.4), (None, 1)),
    ("metric_for_best_model: eval_accuracy", stops_at(0.5, 0.3, 0.4), (None, 1)),
    ("metric_for_best_model: macro_f1", training("metric_for_best_model"), "macro_f1"),
    ("metric_for_best_model: eval_macro_f1", training("metric_for_best_model"), "macro_f1"),
    ("metric_for_best_model: f1_macro", training("metric_for_best_model"), "macro_f1"),
    ("greater_is_better: true", stops_at(0.5, 0.3, 0.4), (None, 1)),
    ("eval_strategy: epoch, early_stopping_patience: 2", stops_at(0.5, 0.6, 0.49, 0.49, 0.5, 0.1), (5, 3)),
    (
        "eval_strategy: epoch, early_stopping_patience: 2, early_stopping_threshold: 0.1",
        stops_at(0.5, 0.45, 0.42, 0.1),
        (3, 3),
    ),
    ("per_device_eval_batch_size: 3", lambda recipe: recipe.evaluation.batch_size, 3),
    ("per_gpu_eval_batch_size: 3", lambda recipe: recipe.evaluation.batch_size, 3),
    ("eval_batch_size: 3", lambda recipe: recipe.evaluation.batch_size, 3),
    ("report_to: wandb", lambda recipe: recipe.tracking.report_to, ["wandb"]),
    ("report_to: [wandb, tensorboard]", lambda recipe: recipe.tracking.report_to, ["wandb", "tensorboard"]),
    ("report_to: all", lambda recipe: recipe.tracking.report_to, ["tensorboard", "wandb"]),
    ("report_to: none", lambda recipe: recipe.tracking.report_to, []),
    ("report_to: null", lambda recipe: recipe.tracking.report_to, []),
]


def settings(written: str) -> list[tuple[str, str]]:
    """`a: 1, b: {c: 2}` taken apart."""
    found, depth = [""], 0
    for letter in written:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return [(key.strip(), value.strip()) for key, _, value in (one.partition(":") for one in found)]


@pytest.fixture
def validated(recipe_text: str) -> str:
    """A recipe that has rows to evaluate on, a strategy for every optimiser, and says nothing of training."""
    text = recipe_text.replace("test_per_class: 5", "test_per_class: 5, validation_per_class: 5")
    return text.replace("kind: deepspeed\n  zero_stage: 2", "kind: ddp").partition("training:")[0]


@pytest.mark.parametrize(("written", "effect", "expected"), CASES, ids=[written for written, _, _ in CASES])
@pytest.mark.parametrize("place", ["file", "override"])
def test_a_name_does_what_it_says(place, written, effect, expected, validated, write):
    overrides = [f"training.{key}={value}" for key, value in settings(written)] if place == "override" else []
    write("moods.yaml", validated + ("" if overrides else f"training: {{{written}}}\n"))
    assert effect(load_recipe("moods.yaml", overrides)) == expected


def test_the_cases_have_every_field_alias_value_and_schedule():
    said = {(key, value) for written, _, _ in CASES for key, value in settings(written)}
    names = {key for key, _ in said}
    aliases = {path[1] for path in ALIASES if path[0] == "training"}
    assert names == set(Training.model_fields) | aliases
    values = {(path[1], str(value)) for path, table in VALUES.items() for value in table if path[0] == "training"}
    assert values <= said
    schedules = {value for key, value in said if key in ("lr_scheduler_type", "lr_scheduler", "scheduler")}
    assert schedules == set(OPTIONS) == set(get_args(SchedulerName))


@pytest.mark.parametrize("name", [one.name for one in dataclass_fields(TrainingArguments)])
def test_every_name_of_transformers_is_a_field_or_an_alias_or_is_told(name):
    homes = [name in Training.model_fields, ("training", name) in ALIASES, name in ELSEWHERE]
    assert homes.count(True) == 1


def test_a_name_without_a_home_is_refused_with_what_to_do_instead(recipe_text, write, told):
    write("moods.yaml", recipe_text + "  deepspeed: ds_config.json\n")
    assert told("moods.yaml", "training.output_dir=out") == [
        "moods.yaml:24:3: training.deepspeed: unknown key; say strategy.kind: deepspeed with zero_stage",
        "override 'training.output_dir=out': training.output_dir: unknown key; remove it: runs stand under "
        "cluster.storage",
    ]
