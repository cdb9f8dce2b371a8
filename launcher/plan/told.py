"""An outlook for a reader and for a program."""

from dataclasses import asdict
from typing import Any

from launcher.plan.fit import Fit
from launcher.plan.hardware import Hardware
from launcher.plan.outlook import Outlook
from launcher.plan.saving import Saves
from launcher.plan.setting import Term

GIB = 2**30
MOMENTS = {
    "loss": "when backward begins",
    "blocks": "in backward",
    "step": "in the optimiser's step",
    "scoring": "while test rows are scored",
}


def outlook_lines(outlook: Outlook, hardware: Hardware) -> list[str]:
    """Memory term by term, speed, cost and commits, a line each."""
    device = hardware.accelerator.name if hardware.accelerator is not None else hardware.device
    room = "" if outlook.room is None else f" of {_size(outlook.room)}"
    memory = outlook.memory
    lines = [f"memory    {_size(memory.peak)}{room} a worker on {device}, {MOMENTS[memory.worst]}, at the most"]
    lines += [f"          {_size(term.size):>10}  {term.name}" for term in _worth_telling(memory.at_peak, memory.peak)]
    host = [term for term in memory.terms if term.host]
    if host:
        told = ", ".join(f"{term.name} {_size(term.size)}" for term in host)
        lines.append(f"host      {_size(memory.host * hardware.node_ranks)} a node; a worker: {told}")
    return [*lines, *_speed_lines(outlook), *_save_lines(outlook.saves)]


def unfit_lines(outlook: Outlook, fit: Fit | None, hardware: Hardware) -> list[str]:
    """What does not fit, and what would."""
    memory = outlook.memory
    pairs = ((memory.peak, outlook.room, "device"), (memory.host, outlook.host_room, "host"))
    short = [(asked, room, where) for asked, room, where in pairs if room is not None and asked > room]
    lines = [
        f"does not fit: a worker takes {_size(asked)} of its {where}'s {_size(room)}" for asked, room, where in short
    ]
    if fit is None:
        return [*lines, "nothing that was tried fits: a smaller model, method.kind=qlora or a larger accelerator may"]
    gpus = [f"--gpus {fit.gpus}"] if fit.gpus != hardware.world else []
    needs = f"{_size(fit.peak)} a worker and {_size(fit.host)} of host memory a node"
    return [*lines, f"the nearest that fits, with {needs}: {' '.join([*fit.changes, *gpus])}"]


def outlook_dict(outlook: Outlook, hardware: Hardware, fit: Fit | None) -> dict[str, Any]:
    """The same for a program: bytes and seconds."""
    memory = outlook.memory
    return {
        "accelerator": None if hardware.accelerator is None else hardware.accelerator.name,
        "nodes": hardware.nodes,
        "memory": {
            "fits": outlook.fits,
            "room": outlook.room,
            "peak": memory.peak,
            "worst": memory.worst,
            "host": memory.host,
            "terms": [asdict(term) for term in memory.terms],
        },
        "speed": None if outlook.speed is None else asdict(outlook.speed),
        "saves": asdict(outlook.saves),
        "nearest_fit": None if fit is None else asdict(fit),
    }


def _worth_telling(terms: tuple[Term, ...], peak: int) -> list[Term]:
    """All but terms below a thousandth, which are told as one."""
    large = [term for term in terms if term.size * 1000 >= peak]
    rest = sum(term.size for term in terms) - sum(term.size for term in large)
    return [*large, *([Term("everything else", rest)] if rest else [])]


def _speed_lines(outlook: Outlook) -> list[str]:
    speed = outlook.speed
    if speed is None:
        return []
    waits = "network" if speed.exchange_s > speed.compute_s else f"{speed.mfu:.0%} of the peak"
    fast = f"{speed.tokens_per_second:,.0f} tokens/s, {_time(speed.step_s)} a step of full rows"
    lines = [f"speed     {fast}, bound by {waits}"]
    if speed.hours is not None:
        cost = "" if speed.cost is None else f", {speed.cost:,.2f} at the price given"
        lines.append(f"time      {_time(speed.hours * 3600)} at the most{cost}")
    return lines


def _save_lines(saves: Saves) -> list[str]:
    every = "" if saves.interval_s is None else f", every {_time(saves.interval_s)}"
    lines = [
        f"commits   {_size(saves.size)}{every}; stall {_time(saves.stall_s)}, upload {_time(saves.upload_s)}",
    ]
    if saves.goodput is not None and saves.lead_s is not None:
        lines.append(
            f"goodput   {saves.goodput:.1%} expected; interruptions are to be told {_time(saves.lead_s)} ahead"
        )
    return lines


def _size(size: int) -> str:
    """Three digits, and the unit that is read most easily."""
    if size < GIB / 10:
        return f"{size / 2**20:,.1f} MiB"
    return f"{size / GIB:,.2f} GiB" if size < 100 * GIB else f"{size / GIB:,.0f} GiB"


def _time(seconds: float) -> str:
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}" if seconds >= 100 * length else f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
