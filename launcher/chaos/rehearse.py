"""`launcher chaos`: what would happen to a recipe's run if ..., tried out on this machine."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.chaos.rehearsal import Rehearsal, Rehearsing, Tell
from launcher.chaos.schedule import schedule
from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe

STALLS = ("sentinel.stuck_after_s=10", "sentinel.hung_after_s=5")
"""So that a rank which stands still is found while one looks on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    recipe: str
    overrides: Sequence[str]
    cluster: str | None
    faults: Sequence[str]
    count: int
    seed: int


def rehearse(asked: Asked, recipe: Recipe, profile: Profile, tell: Tell) -> int:
    """Run the recipe undisturbed and disturbed; returns 0 where both ended alike, else 1.

    Raises:
        InvalidInput: a fault that there is not, another profile than of this machine, or a recipe that saves nothing.
        LauncherError: one of the runs does not come to its end.
    """
    plan = schedule(asked.faults, asked.count, asked.seed)
    if profile.backend != "local":
        raise InvalidInput(f"--cluster: faults happen on this machine, and the profile's backend is {profile.backend}")
    if recipe.training.saving == "no":
        raise InvalidInput("training.save_strategy: a run without commits cannot go on; say steps, minutes or auto")
    folder = Path(tempfile.mkdtemp(prefix="ll-chaos-"))
    (folder / "runs").mkdir()
    tell(f"both runs are in {folder}/runs")
    found = Rehearsing(_words(asked, folder), folder, tell).go(plan)
    for line in told(found):
        tell(line)
    if not (found.alike.weights and found.alike.documents):
        tell(f"kept      {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def told(found: Rehearsal) -> list[str]:
    """The result, a line each."""
    lines = ["", "fault          attempt  commit of step  next step after  what happened"]
    for struck, wait in zip(found.struck, found.next_step_s, strict=True):
        newest = "-" if struck.newest is None else f"{struck.newest:,}"
        after = "-" if wait is None else f"{wait:.1f} s"
        lines.append(f"{struck.planned.fault:<13}  {struck.attempt:>7}  {newest:>14}  {after:>15}  {struck.did}")
    lines += [f"{each.fault:<13}  the run had ended before" for each in found.missed]
    alike = found.alike
    cold = "" if found.cold_s is None else f"; a cold one took {found.cold_s:.1f} s to its first step on record"
    return [
        *lines,
        "",
        f"starts    {found.starts}{cold}",
        f"weights   {'equal, bit for bit' if alike.weights else 'different'}",
        f"documents {'the same' if alike.documents else 'others'}",
        f"losses    differ by {alike.loss:.1e} at the most",
    ]


def _words(asked: Asked, folder: Path) -> list[str]:
    given = {each.split("=", 1)[0] for each in asked.overrides}
    quick = [each for each in STALLS if "stall" in asked.faults and each.split("=", 1)[0] not in given]
    cluster = [] if asked.cluster is None else ["--cluster", asked.cluster]
    own = [f"cluster.storage={folder}/runs", "tracking.report_to=[]"]
    return ["run", asked.recipe, *asked.overrides, *quick, *own, *cluster]
