"""A cluster profile: where to train. The first key is `backend:`."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from launcher.recipe.section import Section


class Local(Section):
    """This machine."""

    backend: Literal["local"]
    workers: PositiveInt | None = None
    """Training processes; by default one a GPU, or 2 on a machine without GPUs that has 2 cores or more."""
    oversubscribe: bool = False
    """Allow more workers than cores, which share them: for rehearsals, as it is slow."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto` takes the GPUs where there are any."""
    storage: str = "runs"
    """A path or fsspec URL under which run directories live."""
    cache_folder: str = "~/.cache/llama-launcher"
    """Where a node keeps what it reads from object stores."""
    cache_gib: PositiveFloat = 50.0
    """GiB that training data may take there."""
    hours_between_failures: PositiveFloat = 24.0
    """What is expected of a node; by it `save_strategy: auto` chooses how often to commit."""
