"""`training:` and `evaluation:` optimisation under the names Hugging Face users know."""

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

from launcher.recipe.section import Section

Fraction = Annotated[float, Field(ge=0, lt=1)]

T = TypeVar("T")

CONTRADICTS = {
    "gradient_accumulation_steps": "global_batch_size",
    "warmup_steps": "warmup_ratio",
}
"""A field, and the one above it that says the same in another way."""


class Training(Section):
    num_train_epochs: PositiveFloat | None = None
    """Passes over the training rows; 1 where neither this nor `max_steps` is given."""
    max_steps: PositiveInt | None = None
    """Optimiser steps; goes before `num_train_epochs`, as in Hugging Face's Trainer."""
    per_device_train_batch_size: PositiveInt = 8
    """Rows a micro-batch on one rank, at the most."""
    global_batch_size: PositiveInt | None = None
    """Rows an optimiser step over all ranks; accumulation follows from it at any world size."""
    gradient_accumulation_steps: PositiveInt | None = None
    max_length: PositiveInt = 512
    """Tokens a row at the most."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Type of forward and backward; trained weights and optimiser states are fp32 in either case."""
    learning_rate: PositiveFloat = 2e-4
    lr_scheduler_type: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "linear"
    warmup_ratio: Fraction | None = None
    warmup_steps: NonNegativeInt | None = None
    weight_decay: NonNegativeFloat = 0.0
    adam_beta1: Fraction = 0.9
    adam_beta2: Fraction = 0.999
    adam_epsilon: PositiveFloat = 1e-8
    max_grad_norm: PositiveFloat | None = 1.0
    """Global norm to clip to; null leaves gradients as they are."""
    gradient_checkpointing: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42

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


class Evaluation(Section):
    batch_size: PositiveInt = 32
    """Rows a forward pass on one rank; each candidate completion is a row of its own."""
    classical: bool = True
    """Fit TF-IDF and logistic regression on the training rows as a line to beat."""
