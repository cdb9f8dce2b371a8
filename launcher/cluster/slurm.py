"""A profile of a Slurm cluster."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from launcher.cluster.common import Line, ManyNodes
from launcher.recipe.section import Section

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:@/+-]{0,199}$")]
"""A name as administrators give them: nothing that a shell or sbatch would take apart."""
Expression = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,:@/+|&*()\[\]-]{0,499}$")]
"""Names put together as sbatch allows them, such as `a100|h100` or `n[1-4],n9`."""
Duration = Annotated[str, Field(pattern=r"^(\d+|\d+:\d{2}|(\d+-)?\d+:\d{2}:\d{2}|\d+-\d+(:\d{2})?)$")]


class Container(Section):
    """An image that has the launcher installed."""

    kind: Literal["pyxis", "apptainer"]
    image: Line
    """As the tool takes it: a file, or `docker://...`."""
    mounts: list[Line] = []
    """`from:to` of folders that the image sees besides storage and the folder of the profile."""


class Slurm(ManyNodes):
    """A batch job, submitted where `sbatch` is."""

    backend: Literal["slurm"]
    time: Duration
    """Limit of one job, as sbatch takes it: `minutes`, `hours:minutes:seconds`, `days-hours`. A run may take more: its
    job puts itself in the queue again."""
    partition: Expression | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Expression | None = None
    """Features that nodes must have."""
    reservation: Expression | None = None
    exclude: Expression | None = None
    """Nodes to leave out."""
    gres_type: Word | None = None
    """What the cluster calls its GPUs, such as `h100` in `gpu:h100:8`; null takes any."""
    memory: Annotated[str, Field(pattern=r"^\d+[KMGT]?$")] = "0"
    """Host memory of a node, such as `500G`; `0` is all of it."""
    exclusive: bool = False
    """Share no node with other jobs."""
    spares: NonNegativeInt = 0
    """Nodes to ask for beyond those that train."""
    options: list[Annotated[str, Field(pattern=r"^--[a-z][a-z0-9-]*(=[A-Za-z0-9_.,:@/+|&*()\[\]%-]+)?$")]] = []
    """More options of sbatch, such as `--licenses=fs:1`."""
    setup: list[Line] = []
    """Lines of the batch script before the launcher starts: modules, a virtual environment. They run on the first node,
    and what they export holds on all; `srun` in them runs on each."""
    container: Container | None = None
    """Run inside of an image, through pyxis or Apptainer."""
    python: Line = "python3"
    """The Python that has the launcher installed, after `setup` and inside the container."""
    folder: Line = "~/.llama-launcher"
    """On a file system that all nodes share: output of jobs, and what nodes tell one another. It is kept private."""
    interface: Word | None = None
    """Network interface of the nodes; by default the one that leads to the head."""
    secrets_file: Line | None = None
    """Lines of `NAME=value` on that file system, of mode 0600; by default the environment that submits has them."""
    lead_seconds: PositiveFloat | None = None
    """How long before its time limit a job is warned; by default as the plan says."""
    requeue: bool = True
    """Let a job that was interrupted after a commit go on by itself."""
