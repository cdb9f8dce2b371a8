"""`training:` and `evaluation:` optimisation under the names Hugging Face users know.

Names are those of transformers' TrainingArguments. What stands under other names is in `aliases.py`.
"""

import math
from fractions import Fraction as Exact
from typing import Annotated, Literal, TypeVar

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from launcher.recipe.optimizers import OptimizerName
from launcher.recipe.schedule import SchedulerName, SchedulerOptions, check_options
from launcher.recipe.section import Section

Fraction = Annotated[float, Field(ge=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Interval = PositiveInt | Annotated[float, Field(gt=0, lt=1)]
"""Steps, or where it is less than 1 a share of all the run's steps."""
Strategy = Literal["no", "steps", "epoch"]
SaveStrategy = Literal["no", "steps", "epoch", "minutes", "auto"]
Mode = Literal["packed", "padded", "length-grouped"]
"""How documents become rows: several a row, one a row, or one a row beside others of its length."""
LongDocuments = Literal["truncate", "split"]

T = TypeVar("T")

CONTRADICTS = {
    "gradient_accumulation_steps": "global_batch_size",
    "warmup_steps": "warmup_ratio",
}
"""A field, and the one above it that says the same in another way."""

NEEDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "packing": ("train_sampling_strategy", ("random",)),
    "logging_steps": ("logging_strategy", ("steps",)),
    "eval_steps": ("eval_strategy", ("steps",)),
    "save_steps": ("save_strategy", ("steps",)),
    "save_minutes": ("save_strategy", ("minutes",)),
    "save_budget": ("save_strategy", ("auto",)),
    "load_best_model_at_end": ("eval_strategy", ("steps", "epoch")),
    "early_stopping_patience": ("eval_strategy", ("steps", "epoch")),
}
"""A field, and what one above it must say for it to mean anything."""


class Training(Section):
    num_train_epochs: PositiveFloat | None = None
    """Passes over the training rows; 1 where neither this nor `max_steps` is given."""
    max_steps: PositiveInt | None = None
    """Optimiser steps; goes before `num_train_epochs`, as in Hugging Face's Trainer."""
    per_device_train_batch_size: PositiveInt | Literal["auto"] = 8
    """Rows a micro-batch on one rank, at the most; `auto` is the fastest that fits the machines."""
    global_batch_size: PositiveInt | None = None
    """Rows an optimiser step over all ranks; accumulation follows from it at any world size."""
    gradient_accumulation_steps: PositiveInt | None = None
    """Micro-batches a step, where `global_batch_size` is not given."""
    max_length: PositiveInt = 512
    """Tokens a row at the most."""
    train_sampling_strategy: Literal["random", "group_by_length"] = "random"
    """`group_by_length` puts rows of like length into the same step, which saves padding."""
    packing: bool = False
    """Put several documents into a row of `max_length` tokens, where none sees another; not for classification."""
    long_documents: LongDocuments | None = None
    """A document of more than `max_length` tokens is cut to one row or becomes several; null splits for task `text` and
    truncates for the others."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Type of forward and backward; trained weights and optimiser states are fp32 in any case."""
    optim: OptimizerName = "adamw_torch_fused"
    """Optimiser. `adafactor` takes `learning_rate` as it is, unscaled by the size of weights or steps; `sgd` has no
    momentum."""
    learning_rate: PositiveFloat = 2e-4
    """The highest learning rate of the schedule."""
    lr_scheduler_type: SchedulerName = "linear"
    """`constant` has no warm-up."""
    lr_scheduler_kwargs: SchedulerOptions = Field(default=SchedulerOptions(), validate_default=True)
    """Options of the schedule."""
    warmup_ratio: Fraction | None = None
    """Share of the steps in which the learning rate rises."""
    warmup_steps: NonNegativeInt | Fraction | None = None
    """Steps in which the learning rate rises; less than 1 is a share of all steps."""
    weight_decay: NonNegativeFloat = 0.0
    """Decay of matrices; vectors (norms, biases) are not decayed."""
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: PositiveFloat = 1e-8
    max_grad_norm: PositiveFloat | None = 1.0
    """Global norm to clip to; null leaves gradients as they are."""
    gradient_checkpointing: bool = False
    """Compute activations anew in the backward pass: less memory, one more forward pass."""
    use_liger_kernel: bool = False
    """Rotary positions, norms and gated MLPs by Liger's Triton kernels; on GPUs, with the extra `gpu`."""
    neftune_noise_alpha: PositiveFloat | None = None
    """Strength of the noise on embeddings in training (https://arxiv.org/abs/2310.05914); null adds none."""
    seed: Seed = 42
    """Order of the rows, new weights, dropout."""
    data_seed: Seed | None = None
    """Order of the rows; null takes `seed`."""
    logging_strategy: Strategy = "steps"
    """When the metrics of a step are written down; the last step's are, unless it says `no`."""
    logging_steps: Interval | None = None
    """Steps between two records, or a share of all steps; null writes every step down."""
    logging_first_step: bool = False
    """Write the first step down too."""
    eval_strategy: Strategy = "no"
    """When the validation rows are scored during training, and after the last step, unless it says `no`."""
    eval_steps: Interval | None = None
    """Steps between two evaluations, or a share of all steps; null takes `logging_steps`, else 500."""
    save_strategy: SaveStrategy | None = None
    """When the state of training is committed, and after the last step, unless it says `no`. `auto` weighs what saving
    costs against what a failure would lose; null is `steps` or `minutes` where these are given, else `auto`."""
    save_steps: NonNegativeInt | Annotated[float, Field(gt=0, lt=1)] | None = None
    """Steps between two commits, or a share of all steps; 0 commits the last step only; null is 500."""
    save_minutes: PositiveFloat | None = None
    """Minutes between two commits; null is 15."""
    save_budget: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Largest share of the time that `auto` lets saving take; null is 0.01."""
    save_total_limit: PositiveInt | None = 3
    """Newest commits to keep; null keeps all."""
    save_keep_every_steps: PositiveInt | None = None
    """Commits after a multiple of so many steps are kept beyond the limit."""
    save_keep_best: NonNegativeInt = 0
    """So many of the best commits, by `metric_for_best_model`, are kept beyond the limit."""
    load_best_model_at_end: bool = False
    """End with the weights of the best evaluation instead of the last step's."""
    metric_for_best_model: Literal["loss", "accuracy", "macro_f1"] = "loss"
    """What tells the best evaluation, for `load_best_model_at_end` and early stopping."""
    greater_is_better: bool | None = None
    """Whether more of the metric is better; null knows it from the metric."""
    early_stopping_patience: PositiveInt | None = None
    """Stop after so many evaluations in a row without an improvement; null never does."""
    early_stopping_threshold: NonNegativeFloat = 0.0
    """By how much the metric must improve to count."""

    @property
    def mode(self) -> Mode:
        """How documents become rows."""
        if self.packing:
            return "packed"
        return "padded" if self.train_sampling_strategy == "random" else "length-grouped"

    @property
    def micro_batch(self) -> int:
        """Rows a micro-batch on one rank, at the most, where `auto` has been settled."""
        assert self.per_device_train_batch_size != "auto", "the plan settles it"
        return self.per_device_train_batch_size

    @property
    def saving(self) -> SaveStrategy:
        """When the state of training is committed."""
        if self.save_strategy is not None:
            return self.save_strategy
        return "steps" if self.save_steps is not None else "minutes" if self.save_minutes is not None else "auto"

    @property
    def order_seed(self) -> int:
        """Seed of the order of the rows."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def higher_is_better(self) -> bool:
        """Whether more of `metric_for_best_model` is better."""
        return self.metric_for_best_model != "loss" if self.greater_is_better is None else self.greater_is_better

    @property
    def needs_label_metric(self) -> bool:
        """Whether something hangs on a metric that only tasks with labels have."""
        used = self.load_best_model_at_end or self.early_stopping_patience is not None
        return used and self.metric_for_best_model != "loss"

    @field_validator(*CONTRADICTS)
    @classmethod
    def _no_contradiction(cls, value: T, info: ValidationInfo) -> T:
        """Of a field, and not of the whole section, so that it is told together with other fields' errors."""
        assert info.field_name is not None
        other = CONTRADICTS[info.field_name]
        if value is not None and info.data.get(other) is not None:
            message = "{key} and {other} contradict each other: give one, or null for the other"
            raise PydanticCustomError("contradiction", message, {"key": info.field_name, "other": other})
        return value

    @field_validator(*NEEDS)
    @classmethod
    def _something_to_act_on(cls, value: T, info: ValidationInfo) -> T:
        assert info.field_name is not None
        other, allowed = NEEDS[info.field_name]
        said = info.data.get(other)  # nothing where it is null, or wrong itself
        if value not in (None, False) and said is not None and said not in allowed:
            raise ValueError(f"{info.field_name} needs {other}: {' or '.join(allowed)}")
        return value

    @field_validator("early_stopping_threshold")
    @classmethod
    def _patience_for_the_threshold(cls, value: float, info: ValidationInfo) -> float:
        if value and info.data.get("early_stopping_patience", 1) is None:
            raise ValueError("early_stopping_threshold needs early_stopping_patience")
        return value

    @field_validator("lr_scheduler_kwargs")
    @classmethod
    def _options_of_the_schedule(cls, value: SchedulerOptions, info: ValidationInfo) -> SchedulerOptions:
        if "lr_scheduler_type" in info.data and "learning_rate" in info.data:
            check_options(info.data["lr_scheduler_type"], value, info.data["learning_rate"])
        return value


class Evaluation(Section):
    batch_size: PositiveInt = 32
    """Rows a forward pass on one rank; each candidate completion is a row of its own."""
    classical: bool = True
    """Fit TF-IDF and logistic regression on the training rows as a line to beat."""


def in_steps(interval: float, steps: int) -> int:
    """An interval in steps out of `steps`: a number below 1 is a share of them, rounded up as transformers does."""
    # As written in decimals: 0.07 x 100 steps are 7, where floats would round up to 8
    return interval if isinstance(interval, int) else math.ceil(Exact(str(interval)) * steps)
