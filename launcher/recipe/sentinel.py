"""`sentinel:`: what counts as a bad step, a stuck one and a slow rank, and what follows."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, ValidationInfo, field_validator

from launcher.recipe.section import Section

Count = Annotated[int, Field(ge=2)]


class Sentinel(Section):
    enabled: bool = True
    """Roll back after spikes and after steps in a row that are not finite; single steps that are not finite are left
    out in any case."""
    spike_score: PositiveFloat | None = 8.0
    """A loss so many robust standard deviations (1.4826 times the median absolute difference of neighbours, over the
    square root of 2) above the median of the latest losses is a spike; null sees none."""
    spike_floor: PositiveFloat = 0.05
    """Least standard deviation to reckon with, in nats."""
    spike_steps: PositiveInt = 3
    """Spikes in a row after which the run is rolled back."""
    window_steps: Count = 100
    """Latest losses that a loss is held against."""
    warmup_steps: Count = 20
    """Losses that there must be before a spike is seen."""
    not_finite_steps: PositiveInt = 5
    """Steps in a row without a finite loss or gradient after which the run is rolled back."""
    lead_steps: NonNegativeInt = 1
    """Steps before the first bad one whose data are left out too: what spoils the weights shows a step later."""
    max_rollbacks: NonNegativeInt = 3
    """Of a whole run; the next one ends it."""
    stuck_multiple: Annotated[float, Field(gt=1)] = 20.0
    """A step that takes longer than so many times the median, and than `stuck_after_s`, is told with each rank's
    stack."""
    stuck_after_s: PositiveFloat = 60.0
    """In seconds."""
    hung_after_s: PositiveFloat | None = 300.0
    """Seconds that a step has left once it was told as stuck; then the attempt is ended. Null waits for ever. With
    `stuck_after_s` more than the 300 s for which a store that fails is asked again."""
    slow_factor: Annotated[float, Field(gt=1)] = 1.3
    """A rank that computes so many times as long a token as the median of the others is named."""

    @field_validator("warmup_steps")
    @classmethod
    def _fits_the_window(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("window_steps", value):
            raise ValueError("warmup_steps is more than window_steps: a spike would never be seen")
        return value
