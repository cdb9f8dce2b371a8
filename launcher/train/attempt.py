"""One attempt: one fixed-size Ray Train worker group, watched until it ends."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer

from launcher.recipe.strategy import DeepSpeed
from launcher.train.console import RunConsole
from launcher.train.desk import Desk, Message, RankFailure
from launcher.train.failure import first_cause
from launcher.train.job import EncodedData, Job

if TYPE_CHECKING:
    from ray.actor import ActorHandle

POLL_S = 0.2
BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


def run_attempt(job: Job, data: EncodedData, scratch: Path, console: RunConsole) -> None:
    """Train to the end in the Ray cluster at hand; returns after the commit.

    Ray's retries are off: what comes after a failure is for the caller to decide.

    Raises:
        LauncherError: the attempt failed; tells the first cause with rank and host.
    """
    if isinstance(job.recipe.strategy, DeepSpeed):
        console.wait("building DeepSpeed's operators, once a machine")
        ray.get(ray.remote(num_cpus=0)(_build_ops).remote(job.placement.device))
    desk: ActorHandle[Desk] = ray.remote(num_cpus=0)(Desk).remote()  # type: ignore[assignment]
    trainer = TorchTrainer(
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
    if error is not None:
        lost = getattr(error, "worker_failures", {0: error})
        raise first_cause(failures, lost, job) from error


def _fit(
    trainer: TorchTrainer, desk: "ActorHandle[Desk]", console: RunConsole
) -> tuple[list[RankFailure], Exception | None]:
    """Fit in a thread of its own: in the main thread Ray would take over Ctrl-C, and nobody would show progress."""
    errors: list[Exception] = []

    def fit() -> None:
        try:
            trainer.fit()
        except Exception as error:  # handed to the main thread
            errors.append(error)

    thread = threading.Thread(target=fit, name="ray-train-fit", daemon=True)
    thread.start()
    failures: list[RankFailure] = []
    while True:
        running = thread.is_alive()
        messages: list[Message] = ray.get(desk.take.remote())
        for message in messages:
            if isinstance(message, RankFailure):
                failures.append(message)
            else:
                console.show(message)
        if not running:
            return failures, errors[0] if errors else None
        thread.join(POLL_S)


# Both import on the node that runs them, and not in the driver.


def _build_ops(device: str) -> None:
    from launcher.train.engines.ops import build_ops

    build_ops(device)


def _work(config: dict[str, Any]) -> None:
    from launcher.train.worker import work

    work(config)
