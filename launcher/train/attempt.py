"""One attempt: one fixed-size Ray Train worker group, watched until it ends."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig, WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer

from launcher.errors import LauncherError
from launcher.recipe.strategy import DeepSpeed
from launcher.train.console import RunConsole
from launcher.train.desk import Desk, Message, RankFailure
from launcher.train.failure import first_cause
from launcher.train.job import Job, JudgedData

if TYPE_CHECKING:
    from ray.actor import ActorHandle

POLL_S = 0.2
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


def run_attempt(job: Job, data: JudgedData, scratch: Path, console: RunConsole) -> None:
    """Train to the end in the Ray cluster at hand; returns after the commit.

    Ray's retries are off: what comes after a failure is for the caller to decide.

    Raises:
        LauncherError: the attempt failed; tells the first cause with rank and host.
    """
    if isinstance(job.recipe.strategy, DeepSpeed):
        console.wait("building DeepSpeed's operators, once a machine")
        ray.get(ray.remote(num_cpus=0)(_build_ops).remote(job.placement.device))
    desk: ActorHandle[Desk] = ray.remote(num_cpus=0)(Desk).remote()  # type: ignore[assignment]
    trainer = _Trainer(
        _work,
        train_loop_config={"job": job, "data": ray.put(data), "desk": desk},
        torch_config=TorchConfig(backend=BACKENDS[job.placement.device]),
        scaling_config=ScalingConfig(num_workers=job.placement.workers, use_gpu=job.placement.device == "cuda"),
        run_config=RunConfig(
            name="attempt", storage_path=str(scratch / "train"), failure_config=FailureConfig(max_failures=0)
        ),
    )
    console.wait(f"starting {job.placement.workers} workers")
    failures, error = _fit(trainer, desk, console)
    if isinstance(error, WorkerGroupError):
        raise first_cause(failures, error.worker_failures, job) from error
    if error is not None:
        raise LauncherError(f"Ray could not run the workers: {' '.join(str(error).split())[:300]}") from error


class _Trainer(TorchTrainer):
    """Ray's trainer, but Ctrl-C stays the launcher's."""

    def _register_sigint_handler(self, controller: object) -> None:
        pass


def _fit(
    trainer: TorchTrainer, desk: "ActorHandle[Desk]", console: RunConsole
) -> tuple[list[RankFailure], Exception | None]:
    """Fit, while a thread shows progress.

    Not the other way round: an interrupt ends the main thread, and a thread left in Ray while it shuts down takes the
    process with it.
    """
    error, ended = None, threading.Event()
    with ThreadPoolExecutor(1, "ray-train-watch") as pool:
        watching = pool.submit(_watch, desk, console, ended)
        try:
            trainer.fit()
        except Exception as failure:
            error = failure
        finally:
            ended.set()
    return watching.result(), error


def _watch(desk: "ActorHandle[Desk]", console: RunConsole, ended: threading.Event) -> list[RankFailure]:
    """Show what the ranks tell until all has ended; returns what failed."""
    failures: list[RankFailure] = []
    last = False
    while not last:
        last = ended.wait(POLL_S)
        messages: list[Message] = ray.get(desk.take.remote())
        for message in messages:
            if isinstance(message, RankFailure):
                failures.append(message)
            else:
                console.show(message)
    return failures


# Both import on the node that runs them, and not in the driver.


def _build_ops(device: str) -> None:
    from launcher.train.engines.ops import build_ops

    build_ops(device)


def _work(config: dict[str, Any]) -> None:
    from launcher.train.worker import work

    work(config)
