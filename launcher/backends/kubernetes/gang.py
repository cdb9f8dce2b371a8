"""Labels by which Kueue or Volcano start all pods of a job, or none."""

from launcher.cluster.kubernetes import Kubernetes

KUEUE_QUEUE = "kueue.x-k8s.io/queue-name"
KUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
VOLCANO_QUEUE = "volcano.sh/queue-name"
VOLCANO_PRIORITY = "ray.io/priority-class-name"


def gang_labels(profile: Kubernetes) -> dict[str, str]:
    """Of the RayJob."""
    labels = {}
    if profile.kueue is not None:
        labels[KUEUE_QUEUE] = profile.kueue.queue
        if profile.kueue.priority_class is not None:
            labels[KUEUE_PRIORITY] = profile.kueue.priority_class
    if profile.volcano is not None:
        labels[VOLCANO_QUEUE] = profile.volcano.queue
        if profile.priority_class is not None:
            labels[VOLCANO_PRIORITY] = profile.priority_class
    return labels
