"""What `launcher plan` prints, and whether it fits."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput
from launcher.plan.fit import nearest_fit
from launcher.plan.outlook import look_ahead
from launcher.plan.plan import plan_json, plan_lines
from launcher.plan.preview import Machines, Preview, preview
from launcher.plan.sweep import Rows, plot, read_sizes, sweep, sweep_lines
from launcher.plan.told import outlook_dict, outlook_lines, unfit_lines
from launcher.recipe.recipe import Recipe

DOES_NOT_FIT = 3
GPUS, ACCELERATOR = 8, "H100"


@dataclass(frozen=True, slots=True)
class Asked:
    """The flags of `launcher plan`."""

    gpus: int | None = None
    accelerator: str | None = None
    price: float | None = None
    sweep: str | None = None
    plot: str | None = None

    @property
    def machines(self) -> Machines | None:
        """None for those that are here.

        Raises:
            InvalidInput: no number of accelerators.
        """
        if self.gpus is None and self.accelerator is None and self.sweep is None:
            return None
        if self.gpus is not None and self.gpus < 1:
            raise InvalidInput(f"--gpus: expected 1 or more, found {self.gpus}")
        return Machines(GPUS if self.gpus is None else self.gpus, self.accelerator or ACCELERATOR)


def plan_recipe(recipe: Recipe, profile: Profile, asked: Asked, *, as_json: bool) -> tuple[str, int]:
    """What to print, and the exit code: 3 where the run does not fit.

    Raises:
        InvalidInput: something is missing, or does not fit together.
    """
    if asked.plot is not None and asked.sweep is None:
        raise InvalidInput("--plot: there is nothing to draw; give --sweep-gpus too")
    ahead = preview(recipe, profile, asked.machines, asked.price)
    if asked.sweep is not None:
        return _swept(recipe, ahead, asked.sweep, asked.plot, as_json=as_json)
    outlook = look_ahead(recipe, ahead.config, ahead.plan.batches, ahead.hardware)
    if outlook is None:
        return (plan_json(ahead.plan) if as_json else "\n".join(plan_lines(ahead.plan))), 0
    fit = None if outlook.fits else nearest_fit(recipe, ahead.config, ahead.hardware)
    code = 0 if outlook.fits else DOES_NOT_FIT
    if as_json:
        told = json.loads(plan_json(ahead.plan)) | outlook_dict(outlook, ahead.hardware, fit)
        return json.dumps(told, indent=1), code
    lines = [*plan_lines(ahead.plan), *outlook_lines(outlook, ahead.hardware)]
    return "\n".join(lines if outlook.fits else [*lines, *unfit_lines(outlook, fit, ahead.hardware)]), code


def _swept(recipe: Recipe, ahead: Preview, sizes: str, picture: str | None, *, as_json: bool) -> tuple[str, int]:
    hardware, batches = ahead.hardware, ahead.plan.batches
    points = sweep(recipe, ahead.config, Rows(batches.documents, ahead.tokens), hardware, read_sizes(sizes))
    if picture is not None:
        assert hardware.accelerator is not None
        title = f"{recipe.name}: {recipe.method.kind}, {recipe.strategy.key} on {hardware.accelerator.name}"
        plot(points, hardware.memory, title, Path(picture))
    told = json.dumps([asdict(point) for point in points], indent=1) if as_json else "\n".join(sweep_lines(points))
    return told, 0 if any(point.fits for point in points) else DOES_NOT_FIT
