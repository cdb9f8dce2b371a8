"""What cluster profiles of every kind share."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from launcher.cluster.retries import Retries
from launcher.recipe.section import Section

Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name that an environment can have."""
Line = Annotated[str, Field(pattern=r"^[^\x00\r\n]*$")]
"""Text that stays on one line, wherever it is pasted."""


class Common(Section):
    storage: str = "runs"
    """A path or fsspec URL under which run directories live."""
    cache_folder: str = "~/.cache/llama-launcher"
    """Where a node keeps what it reads from object stores."""
    cache_gib: PositiveFloat = 50.0
    """GiB that training data may take there."""
    hours_between_failures: PositiveFloat = 24.0
    """What is expected of a node; by it `save_strategy: auto` chooses how often to commit."""
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
    gpus_per_node: NonNegativeInt = 0
    """GPUs of a machine, each with one worker; 0 trains on CPUs."""
    cpus_per_node: PositiveInt = 1
    """Cores of a machine."""
    workers_per_node: PositiveInt | None = None
    """Training processes of a machine without GPUs (default: 1)."""
    accelerator: str | None = None
    """What its GPUs are, such as H100 or A100-40, to plan for."""
    memory_gib_per_node: PositiveFloat | None = None
    """Host memory of a machine, to plan for."""
    wait_minutes: PositiveFloat = 10.0
    """For all machines to be there, once the first is."""

    @property
    def ranks_per_node(self) -> int:
        """Training processes of a machine."""
        return self.gpus_per_node or self.workers_per_node or 1
