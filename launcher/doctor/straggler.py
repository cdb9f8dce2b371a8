"""Stragglers: a fixed matrix product on all machines at once; every step waits for the slowest."""

from collections.abc import Iterator, Mapping
from statistics import median

from launcher.doctor.figures import si
from launcher.doctor.nodes import Nodes
from launcher.doctor.ranks import run_ranks
from launcher.doctor.verdict import Ask, State, Verdict

NAME = "straggler"
FLOPS = "FLOP/s"
WARN, FAIL = 0.7, 0.5
"""Share of its peers' speed below which one is told of."""
MEND = "see its temperature, clocks and power (nvidia-smi -q -d PERFORMANCE), and what else runs on {host}"


def look(ask: Ask) -> list[float]:
    """FLOP a second, of each GPU or of all cores together."""
    ranks = ask.ranks if ask.device == "cuda" else 1
    return [float(each["flops"]) for each in run_ranks("product", ask, ranks)]


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    answers = nodes.each(look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told)


def judge(told: Mapping[str, list[float]]) -> Iterator[Verdict]:
    """Each against the middle of all others."""
    all_of_them = [(host, number, speed) for host, speeds in told.items() for number, speed in enumerate(speeds)]
    for host, number, speed in all_of_them:
        peers = [other for at, its, other in all_of_them if (at, its) != (host, number)]
        name = f"GPU {number}: " if len(told[host]) > 1 else ""
        yield _judge(host, name, speed, median(peers) if peers else None)


def _judge(host: str, name: str, speed: float, peers: float | None) -> Verdict:
    found = f"{name}{si(speed, FLOPS)}"
    if peers is None:
        return Verdict(NAME, "ok", host, found, "no peer to compare with", figure=speed, unit=FLOPS)
    share = speed / peers
    state: State = "fail" if share < FAIL else "warn" if share < WARN else "ok"
    told = found if state == "ok" else f"{found}, {share:.2g} of its peers'"
    mend = "" if state == "ok" else MEND.format(host=host)
    expected = si(WARN * peers, FLOPS)
    return Verdict(NAME, state, host, told, expected, mend, speed, FLOPS)
