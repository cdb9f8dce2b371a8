"""Variables that have to reach workers. Their names alone are shown, and sent between machines."""

import netrc
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, Need, Verdict

NAME = "environment"
FAMILIES = ("NCCL_", "GLOO_", "HF_", "WANDB_", "AWS_", "UCX_", "FI_")
"""Ray hands none of these on: what the driver has, a worker has only where its machine has it."""


@dataclass(frozen=True, slots=True)
class Look:
    lacking: tuple[str, ...]
    """Of the variables that are needed."""
    others: frozenset[str]
    """Names of the families that are set."""


def look(ask: Ask) -> Look:
    lacking = [need.name for need in ask.needs if need.name not in os.environ and not _in_file(need.name)]
    return Look(tuple(lacking), frozenset(name for name in os.environ if name.startswith(FAMILIES)))


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    answers = nodes.each(look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told, look(ask), ask.needs)


def judge(told: Mapping[str, Look], driver: Look, needs: tuple[Need, ...]) -> Iterator[Verdict]:
    """Each machine against what is needed, and against what the driver has."""
    for host, found in told.items():
        missing = [
            need
            for need in needs
            if need.name in found.lacking and not (need.handed and need.name not in driver.lacking)
        ]
        yield from (_missing(host, need, driver) for need in missing)
        unsent = sorted(driver.others - found.others - {need.name for need in needs})
        if unsent:
            mend = "name them in cluster.environment, or under cluster.secrets where they are"
            yield Verdict(NAME, "warn", host, f"without the driver's {', '.join(unsent)}", "as the driver", mend)
        if not missing and not unsent:
            names = ", ".join(need.name for need in needs)
            yield Verdict(NAME, "ok", host, f"has {names}" if names else "nothing is asked for", "all that is needed")


def _missing(host: str, need: Need, driver: Look) -> Verdict:
    here = "; the driver has it" if need.name not in driver.lacking else ""
    mend = f"set {need.name} on {host}, or name it in cluster.secrets and set it for the driver"
    return Verdict(NAME, "fail" if need.strict else "warn", host, f"no {need.name}{here}", need.why, mend)


def _wandb_in_netrc() -> bool:
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _hub_token() -> bool:
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    return Path(home, "token").expanduser().is_file()


FILES: dict[str, Callable[[], bool]] = {"WANDB_API_KEY": _wandb_in_netrc, "HF_TOKEN": _hub_token}
"""Where else a client looks for what a variable would say."""


def _in_file(name: str) -> bool:
    return name in FILES and FILES[name]()
