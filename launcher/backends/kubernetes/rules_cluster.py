"""Rules for the Ray cluster of a job."""

from launcher.backends.kubernetes.parts import (
    CLUSTER,
    HEAD,
    Broken,
    Manifest,
    autoscales,
    autoscales_v2,
    get,
    groups,
    is_label_key,
    is_label_value,
    number,
    ray_container,
    variables,
    version,
    worker_groups,
)
from launcher.backends.kubernetes.parts import containers as containers_of

V2 = "RAY_enable_autoscaler_v2"
FIRST_TOKENS, FIRST_PRIORITIES = (2, 52, 0), (2, 56, 0)
"""Releases of Ray."""


def containers(manifest: Manifest) -> Broken:
    if get(manifest, CLUSTER) is None:
        return
    for field, group in groups(manifest):
        if not containers_of(group):
            yield f"{field}.template.spec.containers", "at least one, which runs Ray"


def replicas(manifest: Manifest) -> Broken:
    for field, group in worker_groups(manifest):
        least, most = number(group, "minReplicas"), number(group, "maxReplicas")
        if not autoscales(manifest):
            for key, found in (("minReplicas", least), ("maxReplicas", most)):
                if found is None:
                    yield f"{field}.{key}", "missing, and no autoscaler would choose it"
        for key, found in (("minReplicas", least), ("maxReplicas", most), ("replicas", number(group, "replicas"))):
            if found is not None and found < 0:
                yield f"{field}.{key}", f"{found}; at least 0"
        if least is not None and most is not None and least > most:
            yield f"{field}.minReplicas", f"{least}, and maxReplicas {most}"


def group_resources(manifest: Manifest) -> Broken:
    for field, group in groups(manifest):
        started = group.get("rayStartParams") or {}
        twice = [key for key in ("num-cpus", "num-gpus", "memory", "resources") if started.get(key)]
        if twice and group.get("resources"):
            yield f"{field}.resources", f"rayStartParams has {', '.join(twice)} too; use one of both"


def group_labels(manifest: Manifest) -> Broken:
    for field, group in groups(manifest):
        if "labels" in (group.get("rayStartParams") or {}):
            yield f"{field}.rayStartParams.labels", "belong into the group's own labels"
        for key, value in (group.get("labels") or {}).items():
            if not is_label_key(key):
                yield f"{field}.labels", f"{key!r} is no key of a label"
            if not is_label_value(str(value)):
                yield f"{field}.labels.{key}", f"{value!r} is no value of a label"


def autoscaler(manifest: Manifest) -> Broken:
    options = get(manifest, f"{CLUSTER}.autoscalerOptions")
    told = variables(ray_container(get(manifest, HEAD) or {}))
    if not autoscales(manifest) and told.get(V2) in ("1", "true"):
        yield f"{HEAD}.template.spec.containers.0.env", f"{V2} without enableInTreeAutoscaling"
    if autoscales(manifest) and get(options, "version") is not None and V2 in told:
        yield f"{HEAD}.template.spec.containers.0.env", f"{V2}, and autoscalerOptions.version too; use the latter"
    if (number(options, "idleTimeoutSeconds") or 0) < 0:
        yield f"{CLUSTER}.autoscalerOptions.idleTimeoutSeconds", "at least 0"
    if "KUBERAY_GEN_AUTOSCALER_START_CMD" in variables(options or {}):
        yield f"{CLUSTER}.autoscalerOptions.env", "KUBERAY_GEN_AUTOSCALER_START_CMD is KubeRay's own"
    if autoscales_v2(manifest):
        for field, group in groups(manifest):
            if get(group, "template.spec.restartPolicy") not in (None, "", "Never"):
                yield f"{field}.template.spec.restartPolicy", "Never with autoscaler v2, which replaces pods itself"


def group_autoscaler(manifest: Manifest) -> Broken:
    ray = version(get(manifest, f"{CLUSTER}.rayVersion") or "")
    for field, group in worker_groups(manifest):
        idle, priority = number(group, "idleTimeoutSeconds"), number(group, "priority")
        if idle is not None and idle < 0:
            yield f"{field}.idleTimeoutSeconds", f"{idle}; at least 0"
        if idle is not None and not autoscales_v2(manifest):
            yield f"{field}.idleTimeoutSeconds", "only autoscaler v2 looks at it"
        if priority and not autoscales_v2(manifest):
            yield f"{field}.priority", "only autoscaler v2 looks at it"
        if priority and (ray is None or ray < FIRST_PRIORITIES):
            yield f"{field}.priority", "needs rayVersion 2.56.0 or later"
        if group.get("suspend") and autoscales(manifest):
            yield f"{field}.suspend", "the autoscaler would start it"


def authentication(manifest: Manifest) -> Broken:
    options, told = get(manifest, f"{CLUSTER}.authOptions") or {}, get(manifest, f"{CLUSTER}.rayVersion") or ""
    if options.get("enableK8sTokenAuth"):
        yield f"{CLUSTER}.authOptions.enableK8sTokenAuth", "not for RayJobs"
    if options.get("mode") != "token":
        return
    ray = version(told)
    if ray is None:
        yield f"{CLUSTER}.rayVersion", f"{told!r}; authOptions.mode token needs it to be 2.52.0 or later"
    elif ray < FIRST_TOKENS:
        yield f"{CLUSTER}.rayVersion", f"{told}; authOptions.mode token needs 2.52.0 or later"


def redis(manifest: Manifest) -> Broken:
    head = get(manifest, HEAD) or {}
    told, started = variables(ray_container(head)), head.get("rayStartParams") or {}
    if "RAY_REDIS_ADDRESS" in told and get(manifest, f"{CLUSTER}.gcsFaultToleranceOptions") is None:
        yield f"{HEAD}.template.spec.containers.0.env", "RAY_REDIS_ADDRESS without gcsFaultToleranceOptions"
    if "REDIS_USERNAME" in told or started.get("redis-username"):
        yield HEAD, "a user of Redis belongs into gcsFaultToleranceOptions.redisUsername"


def upgrades(manifest: Manifest) -> Broken:
    if get(manifest, f"{CLUSTER}.upgradeStrategy.type") is not None:
        yield f"{CLUSTER}.upgradeStrategy", "only for clusters that no job made"
