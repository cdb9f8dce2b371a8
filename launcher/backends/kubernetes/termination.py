"""How a pod goes: Ray hears of it first, and the run has the time that a commit takes.

Kubernetes runs preStop, sends SIGTERM when it has ended, and kills when the whole grace period is over. KubeRay sets
none of this (kuberay#5004), and a suspension, an eviction and a deadline delete pods without a word to the job.
"""

import math
from typing import Any

from launcher.backends.submission import Submission

AFTER_S = 30
"""For Ray and the container to end once preStop has: Kubernetes' own default."""


def drain_seconds(submission: Submission) -> int:
    """From the notice to the end of what it can be used for: the profile's, or the plan's lead where that is longer."""
    return math.ceil(max(submission.profile.grace_seconds, submission.lead_s or 0.0))


def grace_period(submission: Submission) -> int:
    return drain_seconds(submission) + AFTER_S


def lifecycle(submission: Submission) -> dict[str, Any]:
    """What a container does before it is told to end: no shell, so nothing is there to be pasted into."""
    command = ["python", "-m", "launcher.backends.kubernetes.leave", "--seconds", str(drain_seconds(submission))]
    return {"preStop": {"exec": {"command": command}}}
