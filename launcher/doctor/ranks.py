"""Ranks of a machine for a check, as processes of their own: what hangs is ended, and GPUs are free afterwards."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import launcher
from launcher.cluster.interfaces import interface_of
from launcher.doctor.verdict import Ask
from launcher.errors import LauncherError
from launcher.plan.placement import Device

LIMIT_S = 240.0
POLL_S = 0.05
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


@dataclass(frozen=True, slots=True)
class Task:
    """What a rank is told on its standard input, as JSON."""

    work: str
    """A row of `launcher.doctor.rank.WORKS`."""
    device: Device
    threads: int
    rank: int
    world: int
    local: int
    """Of the ranks of its machine, which is its GPU's number too."""
    machine: int
    machines: int
    head: str
    port: int
    limit_s: float


def run_ranks(work: str, ask: Ask, ranks: int) -> list[dict[str, Any]]:
    """What each rank of this machine found, in their order.

    Args:
        ranks: Of this machine; every other one has as many.

    Raises:
        LauncherError: one failed, or did not end in time; tells its last words.
    """
    threads = max(1, ask.cores // ranks)
    tasks = [
        Task(
            work,
            ask.device,
            threads,
            rank=ask.number * ranks + local,
            world=ask.machines * ranks,
            local=local,
            machine=ask.number,
            machines=ask.machines,
            head=ask.head,
            port=ask.port,
            limit_s=LIMIT_S,
        )
        for local in range(ranks)
    ]
    with ExitStack() as open_files:
        errors: list[BinaryIO] = [open_files.enter_context(tempfile.TemporaryFile()) for _ in tasks]
        outputs: list[BinaryIO] = [open_files.enter_context(tempfile.TemporaryFile()) for _ in tasks]
        environment = _environment(ask.address)
        started = [_start(*each, environment) for each in zip(tasks, outputs, errors, strict=True)]
        try:
            _wait(started)
        finally:
            for process in started:
                process.kill()
                process.wait()
        for task, process, error in zip(tasks, started, errors, strict=True):
            if process.returncode:
                raise LauncherError(f"rank {task.rank}: {_last_words(error)}")
        return [json.loads(_text(output).splitlines()[-1]) for output in outputs]


def _start(task: Task, output: BinaryIO, errors: BinaryIO, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "launcher.doctor.rank"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=output, stderr=errors, env=dict(environment))
    assert process.stdin is not None
    with process.stdin as told:
        told.write(json.dumps(asdict(task)).encode())
    return process


def _wait(started: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Until all have ended, or one has failed: the others would wait for it."""
    deadline = time.monotonic() + LIMIT_S
    while any(process.poll() is None for process in started) and not any(process.returncode for process in started):
        if time.monotonic() > deadline:
            raise LauncherError(f"its ranks did not end within {LIMIT_S:.0f} s")
        time.sleep(POLL_S)


def _environment(address: str) -> dict[str, str]:
    """With the network interface of the machine's address, and this very launcher, wherever Ray has put it."""
    interface = interface_of(address)
    names = {} if interface is None else dict.fromkeys(INTERFACES, interface)
    paths = [str(Path(launcher.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**names, **os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _last_words(errors: BinaryIO) -> str:
    lines = [line for line in _text(errors).splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it ended without a word"


def _text(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
