"""What every way to run on other machines can do, and which way a profile chooses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast

from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput

if TYPE_CHECKING:
    from launcher.backends.submission import Submission

State = Literal["absent", "queued", "starting", "running", "ending", "done", "failed"]
"""`absent`: the scheduler does not know the run, or not any more; then its run directory alone can tell."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What a scheduler says of a run."""

    state: State
    job: str | None = None
    """The scheduler's own name of the run's newest job."""
    nodes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    """Lines for a person to act on: why it waits, what could not be had."""


class Backend(Protocol):
    """One cluster, as a profile describes it. A run is found there by its id alone, from any machine.

    Every method but `render` may raise `InvalidInput` where the cluster's tools or credentials are missing, and
    `LauncherError` with what the cluster said.
    """

    @property
    def profile(self) -> Profile:
        """The profile as the run's own machines read it: `~` and relative paths are resolved where that has a sense."""

    def render(self, submission: "Submission") -> str:
        """What would be submitted, as text: a pure function."""

    def check(self, submission: "Submission") -> None:
        """Ask the cluster whether it would take it: what can be refused is refused before anything is written."""

    def submit(self, submission: "Submission") -> str:
        """Submit; returns the scheduler's name of the job. A run that is there already is refused."""

    def status(self, run_id: str) -> JobStatus:
        """What the scheduler says of a run."""

    def logs(self, run_id: str, *, follow: bool) -> Iterator[str]:
        """Lines of the driver's output, to the end so far, or of the job.

        Raises:
            InvalidInput: there is none any more; tells where else to look.
        """

    def stop(self, run_id: str) -> str | None:
        """End a job that has not begun; None where one runs, which its own driver has to be asked to end."""

    def cancel(self, run_id: str) -> str:
        """End a job at once, whatever it does; tells in a line what was ended."""


BACKENDS = {
    "slurm": "launcher.backends.slurm.slurm",
    "kubernetes": "launcher.backends.kubernetes.kubernetes",
    "ray": "launcher.backends.ray_jobs.ray_jobs",
}
"""The module of each kind of profile; its function `backend` takes the profile and returns the backend."""


def backend_of(profile: Profile) -> Backend:
    """The backend that a profile chooses.

    Raises:
        InvalidInput: the profile is of this machine, where nothing is submitted.
    """
    if profile.backend not in BACKENDS:
        raise InvalidInput("cluster.backend: local runs here and submits nothing; say launcher run, or give --cluster")
    make = cast(Callable[[Profile], Backend], import_module(BACKENDS[profile.backend]).backend)
    return make(profile)
