"""`strategy:` how the ranks share the work."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from launcher.recipe.section import Section


class Ddp(Section):
    """Every rank holds everything; gradients are summed over the ranks."""

    kind: Literal["ddp"]

    @property
    def key(self) -> str:
        """The strategy's name in the table of what is possible."""
        return self.kind


class DeepSpeed(Section):
    """ZeRO: ranks share optimiser states (1), gradients (2), parameters (3) (https://arxiv.org/abs/1910.02054)."""

    kind: Literal["deepspeed"]
    zero_stage: Literal[0, 1, 2, 3] = 2
    offload_optimizer: bool = False
    """Keep fp32 weights and optimiser states in host memory, and update them there."""
    offload_param: bool = False
    """Keep weights in host memory between their uses, at stage 3."""
    param_persistence_threshold: NonNegativeInt = 100_000
    """At stage 3, parameters with fewer elements stay whole on every rank."""

    @property
    def key(self) -> str:
        """The strategy's name in the table of what is possible."""
        offloads = "+optimizer" * self.offload_optimizer + "+param" * self.offload_param
        return f"zero{self.zero_stage}{offloads}"

    @property
    def partitions_parameters(self) -> bool:
        return self.zero_stage == 3


class Auto(Section):
    """The fastest that fits the machines that a run finds when it starts, by the plan: DDP, or ZeRO with as little
    offloading as will do."""

    kind: Literal["auto"]

    @property
    def key(self) -> str:
        return self.kind


Strategy = Annotated[Ddp | DeepSpeed | Auto, Field(discriminator="kind")]

CHOICES: tuple[Ddp | DeepSpeed, ...] = (
    Ddp(kind="ddp"),
    *(DeepSpeed(kind="deepspeed", zero_stage=stage) for stage in (1, 2, 3)),
    *(DeepSpeed(kind="deepspeed", zero_stage=stage, offload_optimizer=True) for stage in (2, 3)),
    DeepSpeed(kind="deepspeed", zero_stage=3, offload_optimizer=True, offload_param=True),
)
"""What `auto` chooses from, the plainest first."""
