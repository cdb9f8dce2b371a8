"""The official client of a cluster, and its failures in words that a person can act on."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from launcher.backends.kubernetes.failures import BUSY, Asked, Unreachable, failure, one_line
from launcher.cluster.kubernetes import Kubernetes
from launcher.errors import InvalidInput

GROUP, VERSION = "ray.io", "v1"
"""Of RayJobs and RayClusters."""
WAITS_S = (0.5, 1.0, 2.0)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Api:
    """A namespace of a cluster."""

    namespace: str
    host: str
    custom: Any
    """kubernetes.client.CustomObjectsApi."""
    core: Any
    """kubernetes.client.CoreV1Api."""

    def ask(self, verb: str, resource: str, call: Callable[[], Answer], *, again: bool = True) -> Answer:
        """Ask the cluster, again where it is busy.

        Args:
            verb: As roles name it: get, list, watch, create, delete.
            resource: As roles name it, with its group, such as rayjobs.ray.io.
            again: Whether asking twice does no harm.

        Raises:
            InvalidInput: not permitted, not logged in, or refused as invalid.
            NotThere, Taken, Unreachable: as they say.
        """
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        for wait in (*WAITS_S, None):
            try:
                return call()
            except ApiException as error:
                if not again or error.status not in BUSY or wait is None:
                    raise failure(error, Asked(verb, resource, self.namespace, self.host)) from error
            except HTTPError as error:
                raise Unreachable(
                    f"{self.host} does not answer: {one_line(error)}; see to the network and to cluster.context"
                ) from error
            time.sleep(wait)
        raise AssertionError

    def read(self, verb: str, resource: str, call: Callable[..., Any]) -> dict[str, Any]:
        """The answer of a method of `core` as it came: the client's own classes refuse what they do not know.

        Raises:
            As `ask` does.
        """
        response = self.ask(verb, resource, lambda: call(_preload_content=False))
        found: dict[str, Any] = json.loads(response.data)
        return found


def connect(profile: Kubernetes) -> Api:
    """The cluster of the profile's context, or inside of a pod the pod's own.

    Raises:
        InvalidInput: the package is not installed, or there is no such context.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise InvalidInput(
            "cluster.backend: kubernetes needs a package: pip install 'llama-launcher[kubernetes]'"
        ) from error
    settings = client.Configuration()
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            os.environ.get("KUBECONFIG"), context=profile.context, client_configuration=settings
        )
    except config.ConfigException as error:
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            raise InvalidInput(
                f"cluster.context: {profile.context or 'the current one'}: {one_line(error)}; see KUBECONFIG and "
                "kubectl config get-contexts"
            ) from error
    settings.retries = False
    made = client.ApiClient(settings)
    return Api(profile.namespace, settings.host, client.CustomObjectsApi(made), client.CoreV1Api(made))
