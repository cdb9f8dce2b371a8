"""Ports of one Ray node: a block that follows from the job's number, so that two jobs on a host differ."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields

FIRST, LAST = 12_000, 32_000
"""Above what services use by custom, and below what Linux gives to connections (32768 and up)."""
WORKERS_AT_LEAST = 64


@dataclass(frozen=True, slots=True)
class Ports:
    """What `ray start` takes; `--ray-client-server-port` is left out, as 0 is refused and nothing here needs it."""

    port: int
    node_manager_port: int
    object_manager_port: int
    dashboard_port: int
    dashboard_agent_listen_port: int
    dashboard_agent_grpc_port: int
    runtime_env_agent_port: int
    metrics_export_port: int
    min_worker_port: int
    max_worker_port: int

    def flags(self, *, head: bool) -> list[str]:
        """For `ray start`; the cluster's and the dashboard's ports are the head's alone."""
        names = [field.name for field in fields(self) if head or field.name not in ("port", "dashboard_port")]
        return [f"--{name.replace('_', '-')}={getattr(self, name)}" for name in names]

    def free(self) -> bool:
        """Whether nobody on this host listens at any of them now."""
        single = [getattr(self, field.name) for field in fields(self)[:-2]]
        return all(map(_is_free, [*single, *range(self.min_worker_port, self.max_worker_port + 1)]))


def blocks(job: int, cores: int) -> Iterator[Ports]:
    """Every block of ports, the job's own first: jobs with consecutive numbers have blocks side by side."""
    single = len(fields(Ports)) - 2
    workers = max(WORKERS_AT_LEAST, 3 * cores)
    size = single + workers
    count = (LAST - FIRST) // size
    for place in range(count):
        first = FIRST + (job + place) % count * size
        numbers = (*range(first, first + single), first + single, first + size - 1)
        yield Ports(*numbers)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True
