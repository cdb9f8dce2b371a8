"""What the memory of one rank depends on, said once for all terms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from launcher.plan.parameters import Part
from launcher.plan.placement import Device
from launcher.recipe.method import Adapter, Full
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed

Phase = Literal["loss", "blocks", "step", "scoring"]
PHASES: tuple[Phase, ...] = ("loss", "blocks", "step", "scoring")
"""Moments at which memory peaks: backward through the loss, backward through a block, the optimiser's step, and the
scoring of test rows."""
TRAINING: tuple[Phase, ...] = ("loss", "blocks")


@dataclass(frozen=True, slots=True)
class Term:
    """Bytes of one rank, on its device or in its share of the host's memory."""

    name: str
    size: int
    phases: tuple[Phase, ...] = PHASES
    """When they are there; by default always."""
    host: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    recipe: Recipe
    config: dict[str, Any]
    """The model's config.json."""
    parts: tuple[Part, ...]
    world: int
    device: Device

    @property
    def hidden(self) -> int:
        return int(self.config["hidden_size"])

    @property
    def inner(self) -> int:
        return int(self.config["intermediate_size"])

    @property
    def layers(self) -> int:
        return int(self.config["num_hidden_layers"])

    @property
    def heads(self) -> int:
        return int(self.config["num_attention_heads"])

    @property
    def stage(self) -> int | None:
        """ZeRO's; None is DDP."""
        return self.recipe.strategy.zero_stage if isinstance(self.recipe.strategy, DeepSpeed) else None

    @property
    def partitions(self) -> bool:
        """Whether ranks share what the optimiser steps."""
        return bool(self.stage)

    @property
    def compute(self) -> int:
        """Bytes of a number in forward and backward."""
        return 4 if self.recipe.training.precision == "fp32" else 2

    @property
    def cast(self) -> bool:
        """Whether DeepSpeed casts the whole model to 16 bits, and keeps fp32 copies of what is trained."""
        return self.compute == 2 and (self.partitions or (self.stage == 0 and self.recipe.training.precision == "fp16"))

    @property
    def autocast(self) -> bool:
        """Whether torch casts inputs and weights of each matrix product to 16 bits."""
        return self.compute == 2 and not self.cast

    @property
    def fp32_adapters(self) -> bool:
        """Whether what is trained stays fp32 in a cast model: DeepSpeed's cast does not reach what it partitioned."""
        return self.cast and self.stage == 3 and self.adapter is not None

    @property
    def held(self) -> int:
        """Bytes of a trained number in the model."""
        return 2 if self.cast and not self.fp32_adapters else 4

    @property
    def gradient(self) -> int:
        """Bytes of a number of a gradient."""
        return 2 if self.cast else 4

    @property
    def residual(self) -> int:
        """Bytes of a number between blocks: the embedding's."""
        embedding = next(part for part in self.parts if part.kind == "embedding" and not part.duplicate)
        return self.held if embedding.trained else self.compute

    @property
    def adapter(self) -> Adapter | None:
        method = self.recipe.method
        return None if isinstance(method, Full) else method

    @property
    def offloads_optimizer(self) -> bool:
        return isinstance(self.recipe.strategy, DeepSpeed) and self.recipe.strategy.offload_optimizer

    @property
    def offloads_parameters(self) -> bool:
        return isinstance(self.recipe.strategy, DeepSpeed) and self.recipe.strategy.offload_param

    @property
    def tokens(self) -> int:
        """Of a micro-batch, at the most."""
        training = self.recipe.training
        return training.micro_batch * training.max_length

    @property
    def masked(self) -> bool:
        """Whether attention reads a mask: for padding, or for packs without the variable-length kernel."""
        training = self.recipe.training
        if training.packing:
            return self.device != "cpu" and self.compute == 4
        return training.micro_batch > 1

    def trained(self, of: Callable[[Part], int] = lambda part: part.size) -> int:
        """The sum over trained parts, by default of their elements."""
        return sum(of(part) for part in self.parts if part.trained)
