"""Versions: the same on all machines, as one that differs computes otherwise, or cannot talk to its peers."""

from collections import Counter
from collections.abc import Iterator, Mapping

from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, Verdict
from launcher.train.node_look import versions

NAME = "versions"
NONE = "none"
SHOWN = ("python", "launcher", "torch", "ray")


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    answers = nodes.each(_look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told)


def judge(told: Mapping[str, Mapping[str, str]]) -> Iterator[Verdict]:
    """Each machine against what most have; of two opinions the first machine's."""
    usual = {name: _usual([each[name] for each in told.values()]) for name in next(iter(told.values()), {})}
    for host, own in told.items():
        wrong = [f"{name} {own[name]}" for name in usual if own[name] not in (usual[name], NONE)]
        absent = [name for name in usual if own[name] == NONE]
        if wrong:
            wanted = ", ".join(f"{name} {usual[name]}" for name in usual if own[name] not in (usual[name], NONE))
            mend = f"install {wanted} on {host}, or the launcher's environment anew"
            yield Verdict(NAME, "fail", host, ", ".join(wrong), wanted, mend)
        if absent:
            mend = "install the launcher with its packages there, in the versions of constraints.txt"
            yield Verdict(NAME, "fail", host, f"without {', '.join(absent)}", "installed", mend)
        if not wrong and not absent:
            shown = ", ".join(f"{name} {own[name]}" for name in SHOWN)
            yield Verdict(NAME, "ok", host, shown, "the same on all")


def _look(ask: Ask) -> dict[str, str]:
    return versions()


def _usual(values: list[str]) -> str:
    return Counter(values).most_common(1)[0][0]
