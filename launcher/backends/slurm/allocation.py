"""Inside an allocation that is there already: agents on its nodes, as a job has them, around one of our verbs."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import TypeGuard

from launcher.backends.slurm.job_folder import CANCEL, STOP, JobFolder
from launcher.backends.slurm.render import step
from launcher.backends.slurm.slurm import resolved
from launcher.backends.slurm.this_node import HOSTS
from launcher.backends.slurm.tools import call
from launcher.cluster.profile import Profile
from launcher.cluster.slurm import Slurm
from launcher.errors import InvalidInput
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe

PROFILE, RECIPE = "profile.yaml", "recipe.yaml"


def in_allocation(profile: Profile) -> TypeGuard[Slurm]:
    """Whether this process is in an allocation of Slurm's that the profile means, and in no Ray cluster there."""
    return isinstance(profile, Slurm) and "SLURM_JOB_ID" in os.environ and "RAY_ADDRESS" not in os.environ


def run_in_allocation(profile: Slurm, recipe: Recipe | None, verb: str, flags: Sequence[str], columns: int) -> int:
    """Run a verb as the driver on all nodes of the allocation that this process is in; returns its exit code.

    Ctrl-C is passed on to it, and a second one ends it at once.

    Args:
        flags: Of the verb besides recipe and profile.
        columns: Of the terminal.

    Raises:
        InvalidInput: the folder of the profile has something of this allocation already.
        LauncherError: Slurm does not say which nodes the allocation has.
    """
    # Nobody would put an allocation into the queue again
    profile = resolved(profile).model_copy(update={"requeue": False})
    hosts = call("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split()
    start = os.environ.get("SLURM_RESTART_COUNT", "0")
    folder = JobFolder.of(profile.folder, os.environ["SLURM_JOB_ID"], start).path
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise InvalidInput(f"{folder} is there: something else runs in this allocation; else remove it") from None
    try:
        (folder / PROFILE).write_text(resolved_yaml(profile))
        words = [verb]
        if recipe is not None:
            (folder / RECIPE).write_text(resolved_yaml(recipe))
            words.append(str(folder / RECIPE))
        words += ["--cluster", str(folder / PROFILE), *flags]
        environment = {**os.environ, **profile.environment, HOSTS: ",".join(hosts), "COLUMNS": str(columns)}
        # Out of the terminal's group: srun would end the step at a second Ctrl-C, and cut its output at the first
        srun = subprocess.Popen(step(profile, words), env=environment, start_new_session=True)
        return _wait(srun, JobFolder(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(srun: "subprocess.Popen[bytes]", job: JobFolder) -> int:
    notices = [CANCEL, STOP]
    while True:
        try:
            return srun.wait()
        except KeyboardInterrupt:
            job.notice(notices.pop() if notices else CANCEL)
