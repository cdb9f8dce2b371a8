"""Whether the profile's Secret has what pods refer to, before they wait for it for ever."""

from collections.abc import Callable
from functools import partial

from launcher.backends.kubernetes.connect import Api
from launcher.backends.kubernetes.failures import NotPermitted, NotThere
from launcher.cluster.kubernetes import Kubernetes
from launcher.errors import InvalidInput


def check_secret(api: Api, profile: Kubernetes, tell: Callable[[str], None]) -> None:
    """Look for the keys of the Secret; its values are neither kept nor told.

    Args:
        tell: Takes a line where the account may not look.

    Raises:
        InvalidInput: the Secret, or a key of it, is missing.
    """
    if profile.secret is None or not profile.secrets:
        return
    name, place = profile.secret, f"namespace {profile.namespace}"
    try:
        found = api.read("get", "secrets", partial(api.core.read_namespaced_secret, name, api.namespace))
    except NotThere as error:
        raise InvalidInput(
            f"cluster.secret: {name} is not in {place}; kubectl create secret generic {name} --from-env-file=FILE"
        ) from error
    except NotPermitted as error:
        tell(f"cluster.secret: {name} was not looked at: {error}")
        return
    missing = sorted(set(profile.secrets) - set(found.get("data") or {}))
    if missing:
        raise InvalidInput(f"cluster.secrets: {', '.join(missing)} is not in Secret {name} of {place}; add it there")
