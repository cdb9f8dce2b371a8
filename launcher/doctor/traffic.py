"""What the network carries between ranks: all together, and machine by machine."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from launcher.doctor.pairs import rounds
from launcher.doctor.ranks import Task

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
SIZES = {"cpu": 4 << 20, "cuda": 256 << 20}
"""Bytes of the tensor that is sent."""
JOIN_S = 60.0
TRIES = 3
"""Of two machines, of which the best one counts."""
ENOUGH_S, MOST = 0.5, 20
"""Seconds, and times, that something is done again."""


def traffic(task: Task, device: torch.device) -> dict[str, Any]:
    """Bandwidths in bytes a second.

    Bus bandwidth, which does not depend on the number of ranks n: 2 (n - 1) / n of the bytes over the time of an
    all-reduce, (n - 1) / n of the gathered bytes over that of an all-gather
    (https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md). Between two machines both send at once, and
    the bandwidth is that of one direction.

    Raises:
        DistStoreError, DistBackendError: not all ranks came together.
    """
    dist.init_process_group(
        BACKENDS[task.device],
        init_method=f"tcp://{task.head}:{task.port}",
        rank=task.rank,
        world_size=task.world,
        timeout=timedelta(seconds=JOIN_S),
    )
    try:
        size, share = SIZES[task.device], (task.world - 1) / task.world
        whole = torch.ones(size // 4, device=device)
        part = whole[: len(whole) // task.world].clone()
        gathered = torch.empty(len(part) * task.world, device=device)
        reduce_s = _timed(lambda: dist.all_reduce(whole), device)
        gather_s = _timed(lambda: dist.all_gather_into_tensor(gathered, part), device)
        return {
            "all-reduce": 2 * share * size / reduce_s,
            "all-gather": share * gathered.nbytes / gather_s,
            "pairs": _pairs(task, device),
        }
    finally:
        dist.destroy_process_group()


def _pairs(task: Task, device: torch.device) -> list[tuple[int, float]]:
    """Partners of this machine, and the bandwidth with each; of a machine's ranks, the first one sends."""
    each = task.world // task.machines
    sent = torch.ones(SIZES[task.device] // 4, device=device)
    received = torch.empty_like(sent)
    found = []
    for partners in rounds(task.machines):
        other = partners.get(task.machine)
        dist.barrier()
        if other is not None and task.local == 0:
            both = [dist.P2POp(dist.isend, sent, other * each), dist.P2POp(dist.irecv, received, other * each)]
            _exchange(both, device)  # opens the connection
            times = []
            for _ in range(TRIES):
                begun = time.monotonic()
                _exchange(both, device)
                times.append(time.monotonic() - begun)
            found.append((other, sent.nbytes / min(times)))
    dist.barrier()
    return found


def _exchange(both: list[dist.P2POp], device: torch.device) -> None:
    for work in dist.batch_isend_irecv(both):
        work.wait()
    _finish(device)


def _timed(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one, on the slowest rank; all ranks do it equally often."""
    run()
    once = _slowest(run, 1, device)
    times = max(1, min(MOST, int(ENOUGH_S / once)))
    return _slowest(run, times, device) / times


def _slowest(run: Callable[[], object], times: int, device: torch.device) -> float:
    dist.barrier()
    _finish(device)
    begun = time.monotonic()
    for _ in range(times):
        run()
    _finish(device)
    took = torch.tensor(time.monotonic() - begun, dtype=torch.float64, device=device)
    dist.all_reduce(took, dist.ReduceOp.MAX)
    return float(took)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
