"""One attempt: one fixed-size Ray Train worker group, watched until it ends."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import ray
import ray.train
from ray.train import WorkerGroupError
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2._internal.callbacks import WorkingDirectorySetupCallback
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.metrics import ControllerMetricsCallback, WorkerMetricsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2.api.callback import RayTrainCallback

from launcher.errors import LauncherError
from launcher.interrupt.drain import drain_source
from launcher.interrupt.inbox import Inbox
from launcher.interrupt.watch import watched
from launcher.model.lean import lean_imports
from launcher.recipe.method import QLora
from launcher.recipe.strategy import DeepSpeed
from launcher.storage.store import Store
from launcher.train.cluster import Cluster
from launcher.train.console import RunConsole
from launcher.train.controller import AsTold, Controller
from launcher.train.desk import Desk
from launcher.train.failure import cause_of, first_cause
from launcher.train.job import Job, JudgedData
from launcher.train.outcome import Cause, Done, Failed, Interrupted, Outcome
from launcher.train.overseer import Overseer
from launcher.train.verdicts import NAMED, OTHER
from launcher.train.watching import Watch
from launcher.train.worker_group import beside_driver, build_operators, group_settings

if TYPE_CHECKING:
    from ray.actor import ActorHandle

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
UNUSED = (DatasetsCallback, WorkingDirectorySetupCallback, ControllerMetricsCallback, WorkerMetricsCallback)
"""What Ray's trainer would do besides."""


def run_attempt(job: Job, data: JudgedData, cluster: Cluster, console: RunConsole, inbox: Inbox) -> Outcome:
    """Train to the end in the Ray cluster at hand, to a failure, or until a notice has been acted upon.

    Ray's retries are off: what comes after an attempt is for the caller to decide.
    """
    if isinstance(job.recipe.strategy, DeepSpeed):
        build_operators(job.placement, cluster, console.wait)
    actor = ray.remote(Desk).options(num_cpus=0, label_selector=beside_driver())
    desk: ActorHandle[Desk] = actor.remote()  # type: ignore[assignment]
    watch = Watch(desk, console, inbox, _overseer(job, console), saves=job.recipe.training.saving != "no")
    trainer = _Trainer(
        _work,
        train_loop_config={"job": job, "data": ray.put(data), "desk": desk, "secrets": dict(cluster.secrets)},
        torch_config=TorchConfig(backend=BACKENDS[job.placement.device]),
        **group_settings(job.placement, cluster, job.attempt),
    )
    trainer.watch = watch
    trainer.unused = UNUSED if cluster.nodes else (*UNUSED, PlacementGroupCleanerCallback)
    console.wait(f"starting {job.placement.workers} workers")
    with watched(inbox, {"Ray's drain": drain_source(watch.hosts)}, console.line):
        error = _fit(trainer, watch)
    return judge(watch, error, inbox, job)


class _Trainer(TorchTrainer):
    """Ray's trainer with the launcher's controller, which the watch learns of, and Ctrl-C left to the launcher; nothing
    is done for what is not used: Ray's data sets, metrics and working directories, and the removal of placement groups
    from a cluster that ends with the run.
    """

    watch: Watch
    unused: tuple[type[RayTrainCallback], ...]

    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        made: list[RayTrainCallback] = super()._create_default_callbacks()  # type: ignore[misc]  # typed as an older one
        return [each for each in made if not isinstance(each, self.unused)]

    def _initialize_and_run_controller(self, **parts: Any) -> Any:
        parts["scaling_policy"] = AsTold(parts["scaling_policy"].scaling_config)
        made: Any = ray.remote(Controller).options(num_cpus=0, label_selector=beside_driver())
        self.watch.controller = controller = made.remote(**parts)
        ray.get(controller.run.remote())
        return ray.get(controller.get_result.remote())


def _fit(trainer: TorchTrainer, watch: Watch) -> Exception | None:
    """Fit, while a thread watches.

    Not the other way round: an interrupt ends the main thread, and a thread left in Ray while it shuts down takes the
    process with it.
    """
    error, ended = None, threading.Event()
    with ThreadPoolExecutor(1, "ray-train-watch") as pool:
        watching = pool.submit(watch.run, ended)
        try:
            trainer.fit()
        except Exception as failure:
            error = failure
        finally:
            ended.set()
    watching.result()
    return error


def judge(watch: Watch, error: Exception | None, inbox: Inbox, job: Job) -> Outcome:
    """How an attempt ended, by what was heard of it and what Ray says.

    A failure while a notice is there is taken for its consequence: a node that goes may take its ranks with it at once.
    """
    notice = watch.cut or inbox.current()
    if watch.left is not None and notice is not None:
        return Interrupted(notice, watch.left.step, watch.left.rescued)
    if watch.cut is not None:
        return Interrupted(watch.cut)
    if error is None and not watch.failures:
        return Done()
    cause = _cause(watch, error, job)
    if notice is not None and notice.kind != "stop" and NAMED[cause.kind].verdict != "stop":
        return Interrupted(notice)
    return Failed(cause, tuple(watch.failures), tuple(watch.notes))


def _cause(watch: Watch, error: Exception | None, job: Job) -> Cause:
    if watch.broken is not None:
        return cause_of(watch.broken)
    if isinstance(error, WorkerGroupError):
        hosts = {rank: seat.host for rank, seat in watch.seats.items()}
        return watch.overseer.cause(first_cause(watch.failures, error.worker_failures, hosts, job))
    said = " ".join(str(error).split())[:300]
    return Cause(LauncherError(f"Ray could not run the workers: {said}"), OTHER.name)


def _overseer(job: Job, console: RunConsole) -> Overseer:
    factor = job.recipe.sentinel.slow_factor
    return Overseer(Store.open(job.run_url), job.attempt, job.placement.workers, factor, console.line)


def _work(config: dict[str, Any]) -> None:
    # Imports on the node that runs it, and not in the driver
    for name, value in config.pop("secrets").items():
        os.environ.setdefault(name, value)
    job: Job = config["job"]
    with lean_imports(quantised=isinstance(job.recipe.method, QLora)):
        from launcher.train.worker import work
    work(config)
