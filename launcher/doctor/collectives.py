"""The network between ranks: all-reduce and all-gather over all of them, and machine by machine to find a slow one."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import median

from launcher.doctor.figures import si
from launcher.doctor.nodes import Nodes
from launcher.doctor.ranks import run_ranks
from launcher.doctor.verdict import Ask, State, Verdict

NAME = "collectives"
BYTES = "B/s"
FLOOR = 0.1e9
"""Bytes a second: of an Ethernet of 1 Gbit/s, by which nobody should train on several machines."""
SLOW = 0.5
"""A machine is slow whose best partner sees less than this share of what others' best partners see."""
MEND = "see the cable and port of {host}, its interface (NCCL_SOCKET_IFNAME, NCCL_IB_HCA), and what else it sends"


@dataclass(frozen=True, slots=True)
class Look:
    """Bytes a second."""

    number: int
    """Of the machine."""
    all_reduce: float
    all_gather: float
    pairs: tuple[tuple[int, float], ...]
    """With other machines, by their numbers."""


def look(ask: Ask) -> Look:
    found = run_ranks(NAME, ask, ask.ranks)[0]
    pairs = tuple((int(other), float(speed)) for other, speed in found["pairs"])
    return Look(ask.number, found["all-reduce"], found["all-gather"], pairs)


def free_port(ask: Ask) -> int:
    with socket.create_server((ask.address, 0)) as server:
        return int(server.getsockname()[1])


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    if len(nodes.hosts) * ask.ranks < 2:
        yield Verdict(NAME, "not here", "", "one rank has nobody to talk to")
        return
    ports = nodes.each(free_port, ask)
    yield from ports.failures(NAME)
    if not ports.told:
        return
    answers = nodes.each(look, replace(ask, port=next(iter(ports.told.values()))))
    yield from _failures(answers.failed)
    if answers.told:
        yield from judge(answers.told)


def judge(told: Mapping[str, Look]) -> Iterator[Verdict]:
    hosts = {each.number: host for host, each in told.items()}
    first = next(iter(told.values()))
    slow = slow_hosts(told)
    for what, speed in (("all-reduce", first.all_reduce), ("all-gather", first.all_gather)):
        poor = speed < FLOOR and len(hosts) > 1
        mend = "see the slow machines below, or the network between them" if poor else ""
        yield _verdict("warn" if poor else "ok", "", what, speed, least=FLOOR if len(hosts) > 1 else 0.0, mend=mend)
    for host, (best, usual) in slow.items():
        yield _verdict("fail", host, "with its best partner", best, least=SLOW * usual, mend=MEND.format(host=host))
    pairs = {(min(one, other), max(one, other)): speed for one, other, speed in _met(told)}
    usual = median(pairs.values()) if pairs else 0.0
    for (one, other), speed in sorted(pairs.items()):
        if speed < SLOW * usual and not {hosts[one], hosts[other]} & set(slow):
            mend = "see the switches between the two"
            yield _verdict("warn", hosts[one], f"with {hosts[other]}", speed, least=SLOW * usual, mend=mend)
    if pairs and not slow:
        yield _verdict("ok", "", "between two machines, the slowest", min(pairs.values()), least=SLOW * usual)


def slow_hosts(told: Mapping[str, Look]) -> dict[str, tuple[float, float]]:
    """What the best partner of a slow machine sees, and the middle of what the others' see; of two nobody can tell."""
    best = {host: max(speed for _, speed in each.pairs) for host, each in told.items() if each.pairs}
    if len(best) < 3:
        return {}
    usual = median(best.values())
    return {host: (speed, usual) for host, speed in best.items() if speed < SLOW * usual}


def _met(told: Mapping[str, Look]) -> Iterator[tuple[int, int, float]]:
    for each in told.values():
        yield from ((each.number, other, speed) for other, speed in each.pairs)


def _failures(failed: Mapping[str, str]) -> Iterator[Verdict]:
    mend = "let machines reach one another on all ports, by the interface of NCCL_SOCKET_IFNAME and GLOO_SOCKET_IFNAME"
    for host, why in failed.items():
        yield Verdict(NAME, "fail", host, why, "all ranks come together", mend)


def _verdict(state: State, host: str, what: str, speed: float, *, least: float, mend: str = "") -> Verdict:
    expected = si(least, BYTES) if least else ""
    return Verdict(NAME, state, host, f"{what}: {si(speed, BYTES)}", expected, mend, speed, BYTES)
