"""The machines of a Ray cluster: a scout on each, which looks when it is asked to."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from launcher.cluster.common import ManyNodes
from launcher.doctor.nodes import Clock
from launcher.doctor.verdict import Answers, Ask
from launcher.storage.retry import one_line
from launcher.train.cluster import Node

T = TypeVar("T")
START_S = 180.0
"""For a machine to give its GPUs, to start a worker, and to import what a check needs."""
LOOK_S = 300.0


class Scout:
    """Runs on the machine that it looks at."""

    def look(self, look: Callable[[Ask], T], ask: Ask) -> T:
        return look(ask)

    def now(self) -> float:
        return time.time()


@dataclass(frozen=True)
class OnRay:
    """Machines with a scout each."""

    nodes: Mapping[str, Node]
    """By their names."""
    scouts: dict[str, Any]
    """Those that do not answer in time are left out from then on."""

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.nodes)

    def each(self, look: Callable[[Ask], T], ask: Ask) -> Answers[T]:
        import ray

        alive = list(self.scouts)
        head = self.nodes[alive[0]].address if alive else ask.head
        asked = replace(ask, machines=len(alive), head=head)
        asking = {
            host: self.scouts[host].look.remote(look, replace(asked, number=number, address=self.nodes[host].address))
            for number, host in enumerate(alive)
        }
        ready, _ = ray.wait(list(asking.values()), num_returns=len(asking), timeout=LOOK_S)
        told: dict[str, T] = {}
        failed: dict[str, str] = {}
        for host, answer in asking.items():
            if answer not in ready:
                failed[host] = f"no answer within {LOOK_S:.0f} s"
                del self.scouts[host]
                continue
            try:
                told[host] = ray.get(answer)
            except Exception as error:  # whatever a check meets on a machine
                failed[host] = one_line(error.__cause__ or error)
        return Answers(told, failed)

    def clocks(self) -> Mapping[str, Clock]:
        import ray

        def reader(scout: Any) -> Clock:
            return lambda: float(ray.get(scout.now.remote(), timeout=LOOK_S))

        return {host: reader(scout) for host, scout in self.scouts.items()}


@contextmanager
def scouts_on(nodes: Sequence[Node], profile: ManyNodes, variables: Mapping[str, str]) -> Iterator[OnRay]:
    """A scout on each machine, with its GPUs as the workers of a run would have them; none where it did not start.

    Args:
        variables: What the environment of a run's workers has besides their machine's.
    """
    import ray

    named = _named(nodes)
    make = ray.remote(Scout)
    environment = {"runtime_env": {"env_vars": dict(variables)}} if variables else {}
    scouts: dict[str, Any] = {
        host: make.options(
            num_cpus=0, num_gpus=profile.gpus_per_node, label_selector=node.selector, **environment
        ).remote()
        for host, node in named.items()
    }
    try:
        first = {host: scout.now.remote() for host, scout in scouts.items()}
        ready, _ = ray.wait(list(first.values()), num_returns=len(first), timeout=START_S)
        yield OnRay(named, {host: scouts[host] for host, word in first.items() if word in ready})
    finally:
        for scout in scouts.values():
            ray.kill(scout)


def _named(nodes: Sequence[Node]) -> dict[str, Node]:
    """By host, and by address too where two machines call themselves alike."""
    hosts = [node.host for node in nodes]
    return {node.host if hosts.count(node.host) == 1 else f"{node.host}@{node.address}": node for node in nodes}
