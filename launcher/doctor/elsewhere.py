"""How to examine machines that are elsewhere, in words."""

import shlex
from collections.abc import Sequence

from launcher.cluster.profile import Kubernetes, Profile, Ray, Slurm


def how_to_examine(profile: Profile, words: Sequence[str]) -> list[str]:
    """Lines to say to a user whose machine is not one of the profile's.

    Args:
        words: Of this command line, after the program's name.
    """
    again = shlex.join(["launcher", *words])
    if isinstance(profile, Slurm):
        options = [f"--nodes={profile.nodes + profile.spares}", "--ntasks-per-node=1"]
        options += [f"--cpus-per-task={profile.cpus_per_node}"]
        if profile.gpus_per_node:
            options.append(f"--gres=gpu:{f'{profile.gres_type}:' * bool(profile.gres_type)}{profile.gpus_per_node}")
        named = {"partition": profile.partition, "account": profile.account, "qos": profile.qos}
        options += [f"--{name}={value}" for name, value in named.items() if value is not None]
        return ["to examine the nodes, take them and say the same there:", f"salloc {shlex.join(options)} {again}"]
    if isinstance(profile, Ray):
        address = profile.address or "http://HEAD:8265"
        return [
            "to examine the machines, say the same as a job of the cluster, with the profile in its working directory:",
            f"ray job submit --address {shlex.quote(address)} --working-dir . -- {again}",
        ]
    if isinstance(profile, Kubernetes):
        space = shlex.join(["--namespace", profile.namespace])
        return [
            "to examine the pods, say the same on the head of a RayCluster that has them, with the profile there:",
            f"kubectl {space} exec -it HEAD-POD -- {again}",
        ]
    return []
