"""A profile of this machine."""

from typing import Literal

from pydantic import PositiveInt

from launcher.cluster.common import Common


class Local(Common):
    """This machine."""

    backend: Literal["local"]
    workers: PositiveInt | None = None
    """Training processes; by default one a GPU, or 2 on a machine without GPUs that has 2 cores or more."""
    oversubscribe: bool = False
    """Allow more workers than cores, which share them: for rehearsals, as it is slow."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto` takes the GPUs where there are any."""
