"""`strategy:` how the ranks share the work."""

from typing import Annotated, Literal

from pydantic import Field

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

    @property
    def key(self) -> str:
        """The strategy's name in the table of what is possible."""
        return f"zero{self.zero_stage}"


Strategy = Annotated[Ddp | DeepSpeed, Field(discriminator="kind")]
