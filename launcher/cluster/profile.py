"""A cluster profile: where to train. The first key is `backend:`."""

from launcher.cluster.kubernetes import Kubernetes
from launcher.cluster.local import Local
from launcher.cluster.ray import Ray
from launcher.cluster.slurm import Slurm

__all__ = ["KINDS", "Kubernetes", "Local", "Profile", "Ray", "Slurm"]

Profile = Local | Slurm | Kubernetes | Ray
KINDS: dict[str, type[Profile]] = {"local": Local, "slurm": Slurm, "kubernetes": Kubernetes, "ray": Ray}
"""What a profile's `backend` chooses."""
