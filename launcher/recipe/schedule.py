"""`training.lr_scheduler_type` and its options, as transformers' `get_scheduler` takes them."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from launcher.recipe.section import Section

SchedulerName = Literal[
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "warmup_stable_decay",
]

Shape = Literal["linear", "cosine", "1-sqrt"]


class SchedulerOptions(Section):
    """What some schedules take; null leaves it to transformers."""

    num_cycles: PositiveFloat | None = None
    """Waves of the cosine: 0.5 falls once; restarts count whole ones."""
    lr_end: NonNegativeFloat | None = None
    """Learning rate that `polynomial` ends at."""
    power: PositiveFloat | None = None
    """Exponent of `polynomial`."""
    timescale: PositiveInt | None = None
    """Steps over which `inverse_sqrt` falls."""
    min_lr: NonNegativeFloat | None = None
    """Learning rate that the cosine ends at."""
    min_lr_rate: NonNegativeFloat | None = None
    """The same as a share of `learning_rate`."""
    warmup_lr_rate: NonNegativeFloat | None = None
    """Share of `learning_rate` that the warm-up begins at."""
    num_decay_steps: PositiveInt | None = None
    """Last steps, in which `warmup_stable_decay` falls."""
    num_stable_steps: NonNegativeInt | None = None
    """Steps at the full rate; by default all between warm-up and decay."""
    warmup_type: Shape | None = None
    decay_type: Shape | None = None
    min_lr_ratio: NonNegativeFloat | None = None
    """Share of `learning_rate` that `warmup_stable_decay` begins and ends at."""

    @property
    def given(self) -> dict[str, float | int | str]:
        """The options that are not null."""
        return self.model_dump(exclude_none=True)


_MINIMUM = ("min_lr", "min_lr_rate")

OPTIONS: dict[SchedulerName, tuple[str, ...]] = {
    "constant": (),
    "constant_with_warmup": (),
    "linear": (),
    "cosine": ("num_cycles",),
    "cosine_with_restarts": ("num_cycles",),
    "polynomial": ("lr_end", "power"),
    "inverse_sqrt": ("timescale",),
    "cosine_with_min_lr": (*_MINIMUM, "num_cycles"),
    "cosine_warmup_with_min_lr": (*_MINIMUM, "num_cycles", "warmup_lr_rate"),
    "warmup_stable_decay": (
        "num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"
    ),
}  # fmt: skip
"""The options that each schedule takes."""

ONE_OF: dict[SchedulerName, tuple[str, ...]] = {
    "cosine_with_min_lr": _MINIMUM,
    "cosine_warmup_with_min_lr": _MINIMUM,
    "warmup_stable_decay": ("num_decay_steps",),
}
"""The options of which a schedule needs exactly one."""


def check_options(schedule: SchedulerName, options: SchedulerOptions, learning_rate: float) -> None:
    """Refuse options that the schedule does not take, and the lack of those that it needs.

    Raises:
        ValueError: says so.
    """
    known, needed = OPTIONS[schedule], ONE_OF.get(schedule, ())
    for name in options.given:
        if name not in known:
            raise ValueError(f"{schedule} does not take {name}; it takes {', '.join(known) or 'no options'}")
    if needed and len(options.given.keys() & set(needed)) != 1:
        raise ValueError(f"{schedule} needs {' or '.join(needed)}{', and not both' if len(needed) > 1 else ''}")
    if options.lr_end is not None and options.lr_end >= learning_rate:
        raise ValueError(f"lr_end {options.lr_end} must be less than learning_rate {learning_rate}")
