"""The example of a queue lets the profile in that names it."""

from collections import Counter

import yaml

from launcher.backends.kubernetes.gang import KUEUE_QUEUE
from launcher.backends.kubernetes.manifest import manifest
from launcher.cluster.kubernetes import Kubernetes
from launcher.cluster.load import load_profile
from launcher.recipe.shipped import shipped_folder
from tests.backends.kubernetes.submissions import submission

UNITS = {"Gi": 2**30, "Mi": 2**20}


def amount(quantity: str | int) -> int:
    told = str(quantity)
    return int(told[:-2]) * UNITS[told[-2:]] if told[-2:] in UNITS else int(told)


def test_the_example_has_room_for_the_profile_that_names_its_queue():
    text = (shipped_folder("cluster") / "kueue-queue.yml").read_text()
    flavor, cluster_queue, queue = yaml.safe_load_all(text)
    profile = load_profile("kuberay-h100-4x8-rdma")
    assert isinstance(profile, Kubernetes)
    job = manifest(submission(profile))
    assert job["metadata"]["labels"][KUEUE_QUEUE] == queue["metadata"]["name"]
    assert job["metadata"]["namespace"] == queue["metadata"]["namespace"]
    assert queue["spec"]["clusterQueue"] == cluster_queue["metadata"]["name"]
    (group,) = cluster_queue["spec"]["resourceGroups"]
    (quotas,) = group["flavors"]
    assert quotas["name"] == flavor["metadata"]["name"]
    assert group["coveredResources"] == [one["name"] for one in quotas["resources"]]

    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    wanted: Counter[str] = Counter()
    for template, count in ((cluster["headGroupSpec"], 1), (workers, workers["replicas"])):
        (container,) = template["template"]["spec"]["containers"]
        for name, quantity in container["resources"]["requests"].items():
            wanted[name] += count * amount(quantity)
    room = {one["name"]: amount(one["nominalQuota"]) for one in quotas["resources"]}
    assert wanted.keys() == room.keys()
    assert all(wanted[name] <= room[name] for name in wanted), (wanted, room)
