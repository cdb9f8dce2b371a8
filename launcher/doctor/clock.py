"""Clocks: of machines against one another, and against the store's.

No part of a run compares the clocks of two machines. But stores refuse requests that are signed 15 minutes off,
certificates and tokens begin and end by the clock, and logs that are minutes apart cannot be read side by side.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median

from launcher.doctor.nodes import Clock, Nodes
from launcher.doctor.verdict import Ask, State, Verdict
from launcher.storage.client import single_try
from launcher.storage.store import Store

NAME = "clock"
WARN_S, FAIL_S = 1.0, 30.0
TRIES = 5
GRAIN_S, TICK_S = 1.0, 0.01
"""To which object stores, and kernels, date what is written."""
MEND = "let chrony or ntpd set the clock of {}, and see chronyc tracking there"


@dataclass(frozen=True, slots=True)
class Offset:
    """How far another clock is ahead of this machine's, in seconds."""

    seconds: float
    within: float
    """Half of the time that reading it took, or of the grain to which it is told."""


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    answers = nodes.each(of_store, ask)
    yield from judge_machines({host: offset(clock) for host, clock in nodes.clocks().items()})
    for host, found in answers.told.items():
        yield _judge_store(host, found)
    yield from (Verdict(NAME, "not here", host, f"store's clock: {why}") for host, why in answers.failed.items())


def offset(there: Clock, here: Clock = time.time, timer: Clock = time.monotonic) -> Offset:
    """The answer that came soonest is the best (Cristian, https://doi.org/10.1007/BF01784024)."""
    found = []
    for _ in range(TRIES):
        begun, before = timer(), here()
        told = there()
        took = timer() - begun
        found.append(Offset(told - before - took / 2, took / 2))
    return min(found, key=lambda each: each.within)


def of_store(ask: Ask, here: Clock = time.time) -> Offset:
    """How far the store's clock is ahead, by how it dates an object; on this machine's own disk that is nothing."""
    store = single_try(Store.open(ask.storage))
    name = f"{ask.probe}/clock-{ask.number}"
    before = here()
    store.write(name, b"what time is it?")
    after = here()
    dated = store.modified(name)
    grain = GRAIN_S if store.local_path(name) is None else TICK_S
    return Offset(dated + grain / 2 - (before + after) / 2, (after - before + grain) / 2)


def judge_machines(offsets: Mapping[str, Offset]) -> Iterator[Verdict]:
    """Each against the middle of all, of two against the first."""
    if len(offsets) < 2:
        return
    seconds = [each.seconds for each in offsets.values()]
    middle = seconds[0] if len(seconds) == 2 else median(seconds)
    for host, each in offsets.items():
        apart = each.seconds - middle
        beyond = max(0.0, abs(apart) - each.within)
        yield _verdict(host, apart, beyond, "the other machines", MEND.format(host))


def _judge_store(host: str, found: Offset) -> Verdict:
    beyond = max(0.0, abs(found.seconds) - found.within)
    mend = f"{MEND.format(host)}; where it is right, the store's is wrong"
    return _verdict(host, -found.seconds if beyond else 0.0, beyond, "the store", mend)


def _verdict(host: str, apart: float, beyond: float, others: str, mend: str) -> Verdict:
    state: State = "fail" if beyond > FAIL_S else "warn" if beyond > WARN_S else "ok"
    way = "ahead of" if apart > 0 else "behind"
    told = f"{abs(apart):.3g} s {way} {others}" if beyond > 0 else f"with {others}"
    return Verdict(NAME, state, host, told, f"within {WARN_S:g} s", "" if state == "ok" else mend, apart, "s")
