"""A profile of a Kubernetes cluster with KubeRay."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from launcher.cluster.common import Line, ManyNodes
from launcher.recipe.section import Section

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$")]
"""What Kubernetes calls an object, a DNS label or subdomain."""
Image = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}$")]
Key = Annotated[
    str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
]
"""Of a label or a taint, or the name of a resource."""
Value = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]
"""Of a label or a taint."""
Folder = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]*$")]
"""A path in the container."""


class Toleration(Section):
    """A taint of nodes that pods put up with."""

    key: Key
    value: Value | None = None
    """Null is any."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Null is any."""


class Rdma(Section):
    """Network cards that a worker reaches directly."""

    resource: Key = "rdma/hca"
    """What the cluster's device plugin calls them."""
    count: PositiveInt = 1
    """Of each worker."""


class Volume(Section):
    """A folder in every container: exactly one of `claim`, `empty_gib` and `host_path` says what is in it."""

    mount: Folder
    claim: Name | None = None
    """A PersistentVolumeClaim of the namespace."""
    empty_gib: PositiveFloat | None = None
    """An empty folder on the node's disk, which goes with the pod."""
    host_path: Folder | None = None
    """A folder of the node, such as a local disk."""
    memory: bool = False
    """Keep the empty folder in memory."""


class Head(Section):
    """The pod that holds Ray's control store and the driver; no worker runs there."""

    cpus: PositiveInt = 4
    memory_gib: PositiveFloat = 16.0
    node_selector: dict[Key, Value] = {}
    """Labels of nodes that will stay: a run outlives its workers, and a new head costs a new cluster."""
    tolerations: list[Toleration] = []


class Elastic(Section):
    """Let Ray's autoscaler (version 2) change the number of workers."""

    min_nodes: NonNegativeInt
    max_nodes: PositiveInt
    idle_seconds: NonNegativeInt = 600
    """After which a worker without work goes."""


class DeletionRule(Section):
    """What KubeRay deletes when a job has ended; needs its feature gate RayJobDeletionPolicy."""

    policy: Literal["DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone"]
    when: Literal["SUCCEEDED", "FAILED"]
    after_seconds: NonNegativeInt = 0


class Kueue(Section):
    """Admission by quota, of all pods or none."""

    queue: Name
    """A LocalQueue of the namespace."""
    priority_class: Name | None = None
    """A WorkloadPriorityClass."""


class Volcano(Section):
    """Scheduling of all pods or none; KubeRay's operator has to run with `--batch-scheduler=volcano`."""

    queue: Name


class Kubernetes(ManyNodes):
    """A RayJob of KubeRay 1.7 or later."""

    backend: Literal["kubernetes"]
    image: Image
    """Has the launcher and Ray 2.60; `cluster/Containerfile` makes one."""
    namespace: Name = "default"
    context: Line | None = None
    """Of the kubeconfig; null is its current one, or inside of a pod the pod's own account."""
    wheel: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/@+-]+\.whl$")] | None = None
    """The launcher as a wheel, in place of the image's: a path in the image or on a volume, or an https URL."""
    submission: Literal["sidecar", "http", "k8s-job"] = "sidecar"
    """Who tells Ray of the job: a container beside the head, KubeRay's operator, or a Kubernetes Job."""
    memory_gib_per_node: PositiveFloat = 32.0
    """Host memory of a worker, limit and request alike."""
    grace_seconds: PositiveFloat = 120.0
    """From the notice that a pod goes to its end; the plan's lead time where that is longer."""
    gpu_resource: Key = "nvidia.com/gpu"
    rdma: Rdma | None = None
    resources: dict[Key, PositiveInt] = {}
    """More devices of a worker, such as `vpc.amazonaws.com/efa: 4`."""
    node_selector: dict[Key, Value] = {}
    """Labels of nodes for workers."""
    tolerations: list[Toleration] = []
    exclude_hosts: list[Name] = []
    """Nodes that no pod may go to, by their label kubernetes.io/hostname."""
    one_per_host: Literal["no", "preferred", "required"] = "preferred"
    """Whether workers keep away from each other's nodes."""
    head: Head = Head()
    elastic: Elastic | None = None
    kueue: Kueue | None = None
    volcano: Volcano | None = None
    priority_class: Name | None = None
    service_account: Name | None = None
    image_pull_secrets: list[Name] = []
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    secret: Name | None = None
    """The Secret of the namespace that has the variables of `secrets` as its keys."""
    run_as_user: PositiveInt = 1000
    run_as_group: NonNegativeInt = 1000
    volumes: list[Volume] = []
    labels: dict[Key, Value] = {}
    """More labels of the job and its pods."""
    annotations: dict[Key, Line] = {}
    """More annotations of the job and its pods."""
    backoff_limit: NonNegativeInt = 5
    """New clusters after one that ended before the run did; the run goes on in each."""
    start_minutes: PositiveFloat | None = 60.0
    """For the job to begin, once KubeRay has it (and Kueue has admitted it); null is without a bound."""
    limit_hours: PositiveFloat | None = None
    """After which KubeRay ends the job for good, without a commit; better bound the recipe's steps."""
    keep_seconds: NonNegativeInt | None = None
    """That pods stay after the end (default: 600); not together with `deletion_rules`."""
    deletion_rules: list[DeletionRule] = []
    """In place of `keep_seconds`."""

    @property
    def least_nodes(self) -> int:
        """What the autoscaler may leave is enough, unless the profile says more."""
        if self.min_nodes is None and self.elastic is not None:
            return max(1, self.elastic.min_nodes)
        return super().least_nodes
