"""`tracking:` who is told of losses and scores; the event log in the run directory always is."""

from typing import Annotated, Literal

from pydantic import Field

from launcher.recipe.section import Section

WandbName = Annotated[str, Field(pattern=r"^[^/\\#?%:]{1,128}$")]
"""W&B builds addresses from its names."""


class Wandb(Section):
    project: WandbName = "llama-launcher"
    entity: WandbName | None = None
    """User or team; null is the account's own default."""
    group: str | None = None
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] = []
    notes: str | None = None
    mode: Literal["online", "offline"] = "online"
    """`offline` keeps everything in the run directory, for `launcher track sync`."""


class Tracking(Section):
    report_to: list[Literal["wandb", "tensorboard"]] = []
    wandb: Wandb = Wandb()
