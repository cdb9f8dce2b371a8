"""What `launcher plan` prints, and whether it fits."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from launcher.cluster.profile import Profile
from launcher.errors import InvalidInput
from launcher.plan.counts import count_unread
from launcher.plan.data import checked_data
from launcher.plan.fit import nearest_fit
from launcher.plan.hardware import Hardware
from launcher.plan.outlook import look_ahead
from launcher.plan.plan import DeviceRefuses, plan_json, plan_lines
from launcher.plan.preview import Machines, Preview, preview
from launcher.plan.sweep import Point, read_sizes, sweep, sweep_lines
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
    rows: int | None = None
    data: bool = False

    @property
    def machines(self) -> Machines | None:
        """None for those that are here."""
        if self.gpus is None and self.accelerator is None and self.sweep is None:
            return None
        return Machines(GPUS if self.gpus is None else self.gpus, self.accelerator or ACCELERATOR)

    def check(self) -> None:
        """Raises InvalidInput where the flags make no sense, alone or together."""
        for flag, number in (("--gpus", self.gpus), ("--rows", self.rows)):
            if number is not None and number < 1:
                raise InvalidInput(f"{flag}: expected 1 or more, found {number}")
        if self.plot is not None and self.sweep is None:
            raise InvalidInput("--plot: there is nothing to draw; give --sweep-gpus too")
        if self.data and (self.rows is not None or self.sweep is not None):
            raise InvalidInput("--data: reads the rows themselves; leave out --rows and --sweep-gpus")


def plan_recipe(
    recipe: Recipe, profile: Profile, asked: Asked, *, as_json: bool, colour: bool = False
) -> tuple[str, int]:
    """What to print, and the exit code: 3 where the run does not fit, or the data fail a check.

    Raises:
        InvalidInput: something is missing, or does not fit together.
    """
    asked.check()
    ahead = _preview(recipe, profile, asked)
    if asked.sweep is not None:
        return _swept(recipe, ahead, asked.sweep, asked.plot, as_json=as_json)
    told, lines, fits = _planned(recipe, ahead)
    if asked.data:
        from launcher.data.checks import report_dict, report_lines

        report = checked_data(ahead)
        told["data"] = report_dict(report)
        lines += report_lines(report, colour=colour)
        fits = fits and report.verdict != "fail"
    return (json.dumps(told, indent=1) if as_json else "\n".join(lines)), 0 if fits else DOES_NOT_FIT


def _preview(recipe: Recipe, profile: Profile, asked: Asked) -> Preview:
    rows = None if asked.data else count_unread(recipe, asked.rows)
    try:
        return preview(recipe, profile, asked.machines, asked.price, rows)
    except DeviceRefuses as error:
        if asked.machines is not None:
            raise
        raise InvalidInput(f"{error}; or plan for other machines: --gpus {GPUS} --accelerator {ACCELERATOR}") from None


def _planned(recipe: Recipe, ahead: Preview) -> tuple[dict[str, Any], list[str], bool]:
    """The plan for a program and for a reader, and whether it fits."""
    told: dict[str, Any] = json.loads(plan_json(ahead.plan))
    lines = plan_lines(ahead.plan)
    outlook = look_ahead(ahead.recipe, ahead.config, ahead.plan.batches, ahead.hardware)
    if outlook is None:
        return told, lines, True
    fit = None if outlook.fits else nearest_fit(recipe, ahead.config, ahead.hardware)
    lines += outlook_lines(outlook, ahead.hardware)
    lines += [] if outlook.fits else unfit_lines(outlook, fit, ahead.hardware)
    return told | outlook_dict(outlook, ahead.hardware, fit), lines, outlook.fits


def _swept(recipe: Recipe, ahead: Preview, sizes: str, picture: str | None, *, as_json: bool) -> tuple[str, int]:
    points = sweep(recipe, ahead.config, ahead.plan.rows, ahead.hardware, read_sizes(sizes))
    if picture is not None:
        _plot(points, recipe, ahead.hardware, Path(picture))
    told = json.dumps([asdict(point) for point in points], indent=1) if as_json else "\n".join(sweep_lines(points))
    return told, 0 if any(point.fits for point in points) else DOES_NOT_FIT


def _plot(points: list[Point], recipe: Recipe, hardware: Hardware, path: Path) -> None:
    from launcher.draw.png import check_pillow, png
    from launcher.plan.sweep_plot import sweep_figure

    check_pillow("--plot")
    assert hardware.accelerator is not None
    title = f"{recipe.name}: {recipe.method.kind}, {recipe.strategy.key} on {hardware.accelerator.name}"
    try:
        path.write_bytes(png(sweep_figure(points, hardware.memory, title)))
    except OSError as error:
        raise InvalidInput(f"--plot: {path} cannot be written: {error.strerror}; give another place") from error
