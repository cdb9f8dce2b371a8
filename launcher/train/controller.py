"""Ray Train's controller of a worker group, as an attempt wants it."""

from typing import Any

from ray.train.v2._internal.execution.controller.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy.fixed import FixedScalingPolicy

from launcher.train.environment import environment

SETTINGS = {
    # How soon the end of a worker is seen, and most of what a fit costs after the work has ended
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # Interruptions come through the driver; Ray's own watcher asks through a barrier
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}


class AsTold(FixedScalingPolicy):
    """Starts as many workers as it is told, and asks for no machines.

    Ray's own policy starts an actor first that does so, and waits for it, though the machines are there.
    """

    def after_controller_start(self, train_run_context: Any) -> None: ...

    def _maybe_send_resource_request(self) -> None: ...


class Controller(TrainController):
    """Told of its settings alone: what stands in its environment Ray hands on to the ranks, as an environment of their
    own, and a process that runs already has none.
    """

    def __init__(self, **parts: Any) -> None:
        with environment(SETTINGS):
            super().__init__(**parts)
