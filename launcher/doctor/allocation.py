"""Inside an allocation of Slurm's: start Ray on its nodes as a job does, with the doctor as the driver."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from launcher.backends.slurm.render import step
from launcher.backends.slurm.slurm import resolved
from launcher.backends.slurm.this_node import HOSTS
from launcher.backends.slurm.tools import call
from launcher.cluster.profile import Slurm
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe

PROFILE, RECIPE = "profile.yaml", "recipe.yaml"


def examine_allocation(recipe: Recipe | None, profile: Slurm, flags: Sequence[str], columns: int) -> int:
    """Run the doctor on all nodes of the allocation that this process is in; returns its exit code.

    Args:
        flags: Of the doctor besides recipe and profile.
        columns: Of the terminal.

    Raises:
        LauncherError: Slurm does not say which nodes the allocation has.
    """
    profile, job = resolved(profile), os.environ["SLURM_JOB_ID"]
    hosts = call("scontrol", "show", "hostnames", os.environ["SLURM_JOB_NODELIST"]).split()
    folder = Path(profile.folder, job)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    try:
        (folder / PROFILE).write_text(resolved_yaml(profile))
        words = ["doctor"]
        if recipe is not None:
            (folder / RECIPE).write_text(resolved_yaml(recipe))
            words.append(str(folder / RECIPE))
        words += ["--cluster", str(folder / PROFILE), *flags]
        environment = {**os.environ, **profile.environment, HOSTS: ",".join(hosts), "COLUMNS": str(columns)}
        return subprocess.run(step(profile, words), env=environment, check=False).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)
