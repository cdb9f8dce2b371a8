"""Waiting for pods and reading what they print, over connections that break."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from launcher.backends.kubernetes.connect import Api
from launcher.backends.kubernetes.failures import NotThere, one_line
from launcher.errors import LauncherError

WATCH_S = 60
"""After which a watch is begun anew, as API servers and what is before them cut long ones."""
GONE = 410
"""The API server has forgotten where the watch was: list again."""
BREAKS = 20
"""Broken connections in a row, without a line or a change between them."""
PAUSE_S = 0.5
Pod = dict[str, Any]


def until(api: Api, selector: str, ready: Callable[[list[Pod]], Pod | None]) -> Iterator[Pod | None]:
    """Wait for a pod; gives None whenever something else has changed, for the caller to look at the rest.

    Args:
        selector: Labels of the pods to look at.
        ready: The pod that was waited for, out of those that are there; None where it is not ready.

    Raises:
        LauncherError: the connection broke too often.
    """
    broken = 0
    while True:
        listed = api.read("list", "pods", partial(api.core.list_namespaced_pod, api.namespace, label_selector=selector))
        found = ready(listed["items"])
        yield found
        if found is not None:
            return
        broken = 0 if _changed(api, selector, listed["metadata"].get("resourceVersion")) else broken + 1
        if broken > BREAKS:
            raise LauncherError(f"{api.host} cut {broken} watches of pods in a row; see to the network")


def log_lines(api: Api, pod: str, container: str, *, follow: bool) -> Iterator[str]:
    """What a container printed; goes on after the last line where the connection breaks.

    Raises:
        NotThere: the pod is gone, and nothing of it was told.
        LauncherError: the connection broke too often.
    """
    from urllib3.exceptions import HTTPError

    last, told_then, broken = "", 0, 0
    while True:
        try:
            response = _open(api, pod, container, last, follow=follow)
        except NotThere:
            if not last:
                raise
            return
        again = told_then
        try:
            for line in _whole_lines(response):
                stamp, _, text = line.partition(" ")
                if stamp < last:
                    continue
                if stamp == last and again:  # the server takes whole seconds: these were told already
                    again -= 1
                    continue
                told_then = told_then + 1 if stamp == last else 1
                last, broken = stamp, 0
                yield text
        except HTTPError as error:
            broken += 1
            if broken > BREAKS:
                raise LauncherError(f"{api.host} cut the log of pod {pod} too often: {one_line(error)}") from error
            time.sleep(PAUSE_S)
            continue
        finally:
            response.release_conn()
        if not follow or _has_ended(api, pod, container):
            return
        broken += 1
        if broken > BREAKS:
            raise LauncherError(f"{api.host} ends the log of pod {pod} again and again, though it runs")
        time.sleep(PAUSE_S)


def container_status(pod: Pod, container: str) -> dict[str, Any]:
    """Of one container; empty before there is any."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return next((one for one in statuses if one["name"] == container), {})


def has_begun(pod: Pod, container: str) -> bool:
    """Whether it has a log."""
    state = container_status(pod, container).get("state") or {}
    return "running" in state or "terminated" in state


def _changed(api: Api, selector: str, version: str | None) -> bool:
    """Watch until any of the pods changes, or the watch's time is over; False where it broke first."""
    from kubernetes.client.exceptions import ApiException
    from kubernetes.watch import Watch
    from urllib3.exceptions import HTTPError

    watch = Watch()  # type: ignore[no-untyped-call]
    try:
        for _ in watch.stream(  # type: ignore[no-untyped-call]
            api.core.list_namespaced_pod,
            api.namespace,
            label_selector=selector,
            resource_version=version,
            timeout_seconds=WATCH_S,
            deserialize=False,
        ):
            return True
    except ApiException as error:
        if error.status != GONE:
            raise
        return True
    except HTTPError:
        time.sleep(PAUSE_S)
        return False
    finally:
        watch.stop()  # type: ignore[no-untyped-call]
    return True


def _open(api: Api, pod: str, container: str, since: str, *, follow: bool) -> Any:
    from datetime import datetime

    more: dict[str, Any] = {}
    if since:
        past = datetime.now(datetime.fromisoformat(since).tzinfo) - datetime.fromisoformat(since)
        more["since_seconds"] = max(1, int(past.total_seconds()) + 2)
    return api.ask(
        "get",
        "pods/log",
        lambda: api.core.read_namespaced_pod_log(
            pod, api.namespace, container=container, follow=follow, timestamps=True, _preload_content=False, **more
        ),
    )


def _whole_lines(response: Any) -> Iterator[str]:
    """Lines as they come; one that a broken connection cut is left for the next."""
    rest = b""
    for chunk in response.stream(amt=None, decode_content=False):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")


def _has_ended(api: Api, pod: str, container: str) -> bool:
    try:
        found = api.read("get", "pods", partial(api.core.read_namespaced_pod, pod, api.namespace))
    except NotThere:
        return True
    return "running" not in (container_status(found, container).get("state") or {})
