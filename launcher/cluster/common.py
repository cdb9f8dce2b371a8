"""What cluster profiles of every kind share."""

from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from launcher.cluster.retries import Retries
from launcher.recipe.section import Section

RAY_VERSION = "2.60.0"
"""Of the clusters that the launcher is tested in."""
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that an environment can have."""
Line = Annotated[str, Field(pattern=r"^[^\x00\r\n]*$")]
"""Text that stays on one line, wherever it is pasted."""


class Common(Section):
    storage: Line = "runs"
    """A path or fsspec URL under which run directories live."""
    cache_folder: Line = "~/.cache/llama-launcher"
    """Where a node keeps what it reads from object stores."""
    cache_gib: PositiveFloat = 50.0
    """GiB that training data may take there."""
    hours_between_failures: PositiveFloat = 24.0
    """What is expected of a node; by it `save_strategy: auto` chooses how often to commit."""
    price_per_gpu_hour: PositiveFloat | None = None
    """In your currency; with it `launcher plan` tells what a run costs."""
    retries: Retries = Retries()
    """How often the run goes on by itself."""
    grace_seconds: PositiveFloat = 30.0
    """From SIGTERM to SIGKILL, as the machines are set up."""
    environment: dict[Variable, Line] = {}
    """Variables that the run's processes see on every node; no secrets."""
    secrets: list[Variable] = []
    """Names of variables whose values stand in no file of the launcher; where from is each backend's own way."""


class ManyNodes(Common):
    """What profiles share whose machines are elsewhere."""

    backend: str

    nodes: PositiveInt = 1
    """Machines that train."""
    min_nodes: PositiveInt | None = None
    """With so many of them the run goes on when others are lost or do not come, and it grows back when they return
    (default: all of them)."""
    gpus_per_node: NonNegativeInt = 0
    """GPUs of a machine, each with one worker; 0 trains on CPUs."""
    cpus_per_node: PositiveInt = 1
    """Cores of a machine."""
    workers_per_node: PositiveInt | None = None
    """Training processes of a machine without GPUs (default: 1)."""
    accelerator: Line | None = None
    """What its GPUs are, such as H100 or A100-40, to plan for."""
    memory_gib_per_node: PositiveFloat | None = None
    """Host memory of a machine, to plan for."""
    wait_minutes: PositiveFloat = 10.0
    """For all machines to be there, once the first is."""

    @model_validator(mode="after")
    def _least_is_no_more(self) -> Self:
        if self.min_nodes is not None and self.min_nodes > self.nodes:
            raise ValueError(f"min_nodes is {self.min_nodes}, more than nodes, {self.nodes}")
        return self

    @property
    def least_nodes(self) -> int:
        """Machines without which the run waits."""
        return self.min_nodes or self.nodes

    @property
    def ranks_per_node(self) -> int:
        """Training processes of a machine."""
        return self.gpus_per_node or self.workers_per_node or 1
