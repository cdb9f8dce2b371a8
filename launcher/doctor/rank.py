"""`python -m launcher.doctor.rank`: one rank of a check; told on standard input, and the last line of its output is
what it found."""

import faulthandler
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from launcher.doctor.ranks import Task
from launcher.doctor.traffic import traffic

SIDES = {"cpu": 1024, "cuda": 8192}
TYPES = {"cpu": torch.float32, "cuda": torch.bfloat16}
WARM, PRODUCTS = 3, 15


def product(task: Task) -> dict[str, Any]:
    """FLOP a second of a fixed matrix product: 2 side^3 (the middle of several)."""
    side, device = SIDES[task.device], _device(task)
    left, right = (torch.ones(side, side, dtype=TYPES[task.device], device=device) for _ in range(2))
    times = []
    for _ in range(WARM + PRODUCTS):
        begun = time.monotonic()
        left @ right
        if task.device == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.monotonic() - begun)
    return {"flops": 2 * side**3 / median(times[WARM:])}


def collectives(task: Task) -> dict[str, Any]:
    return traffic(task, _device(task))


WORKS: dict[str, Callable[[Task], dict[str, Any]]] = {"product": product, "collectives": collectives}


def _device(task: Task) -> torch.device:
    if task.device == "cpu":
        return torch.device("cpu")
    torch.cuda.set_device(task.local)
    return torch.device("cuda", task.local)


def main() -> None:
    task = Task(**json.load(sys.stdin))
    faulthandler.dump_traceback_later(task.limit_s, exit=True)  # also where nobody is left to end it
    torch.set_num_threads(task.threads)
    print(json.dumps(WORKS[task.work](task)))


if __name__ == "__main__":
    main()
