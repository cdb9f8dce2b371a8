"""Processes that Ray starts with its cluster on this machine, and what they import before anything is asked of them.

Most of a start is imports, one process after another. So Ray starts all that an attempt needs at once, and imports
`warmed.py` in each; what a process will import later is there when it is called. Ray hands its processes out in the
order in which they came. One that took itself for another imports what it lacks then.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from launcher.model.lean import lean_imports
from launcher.model.quiet import quiet_libraries

VARIABLE = "LAUNCHER_WARM_UP"
CONTROLLER, FIRST_RANK = 1, 3
"""Places in the order in which an attempt asks for processes: its desk, Ray's controller, Ray's barrier, the ranks."""


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What the first processes of a cluster will be."""

    ranks: int
    device: str
    quantised: bool
    folder: str
    """Where they count themselves."""

    @property
    def processes(self) -> int:
        return FIRST_RANK + self.ranks

    @property
    def variables(self) -> dict[str, str]:
        """For the environment of the cluster's processes."""
        return {VARIABLE: json.dumps(asdict(self))}


def warm_up() -> None:
    """Import what this process is likely to need."""
    if VARIABLE not in os.environ:
        return
    told = WarmUp(**json.loads(os.environ[VARIABLE]))
    place = _place(told)
    if place == CONTROLLER or (place >= FIRST_RANK and told.device == "cuda"):
        _import_ray_train()
    elif place >= FIRST_RANK:
        _import_rank(told)


def _place(told: WarmUp) -> int:
    """This process's among the first ones; -1 for any that came later, which is started for what it is needed for."""
    for place in range(told.processes):
        try:
            Path(told.folder, f"process-{place}").touch(exist_ok=False)
        except FileExistsError:
            continue
        return place
    return -1


def _import_ray_train() -> None:
    """A rank on a GPU imports no more: other libraries may look for GPUs before Ray has said which are its own."""
    import ray.train.torch  # noqa: F401

    import launcher.train.controller  # noqa: F401


def _import_rank(told: WarmUp) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # as Ray says for a rank, before libraries read it
    with lean_imports(quantised=told.quantised):
        quiet_libraries(told.device)
        import launcher.train.worker  # noqa: F401
