"""The client of a Ray cluster's Jobs API, and its failures in words that a person can act on."""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from launcher.cluster.ray import Ray
from launcher.errors import InvalidInput, LauncherError

ADDRESS = "RAY_API_SERVER_ADDRESS"
OLDEST_PYTHON = (3, 11)
"""That the launcher runs on."""
Answer = TypeVar("Answer")


class Unreachable(LauncherError):
    """No answer came: whether what was asked for was done is not known."""


class NoSuchJob(LauncherError):
    """The cluster knows no job of this id."""


def connect(profile: Ray) -> Any:
    """A `ray.job_submission.JobSubmissionClient` of a cluster with our version of Ray.

    Raises:
        InvalidInput: no address is given, a package is missing, the token is refused or the version differs.
        Unreachable: nobody answers there.
    """
    address = profile.address or os.environ.get(ADDRESS)
    if address is None:
        raise InvalidInput(
            f"cluster.address: missing, and {ADDRESS} is not set; give the dashboard's, http://head:8265"
        )
    try:
        import aiohttp_cors  # noqa: F401  (of what ray[default] brings, the one that nothing else does)
        from ray.job_submission import JobSubmissionClient
    except ImportError as error:
        raise InvalidInput("cluster.backend: ray needs packages: pip install 'llama-launcher[ray]'") from error
    with _the_address(address):
        client = ask(address, lambda: JobSubmissionClient(address))
        _check_ray(address, ask(address, lambda: _answer(client, "/api/version"))["ray_version"])
    return client


def check_python(address: str, client: Any, tell: Callable[[str], None]) -> None:
    """Look at what Python the cluster runs, before it is asked to run anything.

    Args:
        tell: Takes a line where it is another than here.

    Raises:
        InvalidInput: the launcher does not run on it.
    """
    theirs = ask(address, lambda: _answer(client, "/api/v0/cluster_metadata"))["data"]["pythonVersion"]
    if tuple(map(int, theirs.split(".")[:2])) < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        raise InvalidInput(
            f"cluster.address: {address} runs Python {theirs}, and the launcher needs {needed} or later; use a cluster "
            "that has it"
        )
    mine = platform.python_version()
    if theirs != mine:
        tell(f"cluster.address: {address} runs Python {theirs}, and this machine {mine}")


def ask(address: str, call: Callable[[], Answer]) -> Answer:
    """Ask the cluster.

    Raises:
        InvalidInput: the token is refused.
        NoSuchJob, Unreachable: as they say.
        LauncherError: the cluster refuses.
    """
    import requests
    from ray.exceptions import AuthenticationError

    try:
        return call()
    except AuthenticationError as error:
        mend = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, as the cluster has it"
        raise InvalidInput(f"cluster.address: {address} does not take the token; {mend}") from error
    except (ConnectionError, requests.exceptions.RequestException) as error:
        raise Unreachable(
            f"cluster.address: {address} does not answer: {_one_line(error)}; see to the network"
        ) from error
    except RuntimeError as error:
        told = _one_line(error)
        if "does not exist" in told:
            raise NoSuchJob(told) from error
        raise LauncherError(f"{address} refuses: {told}") from error


def _answer(client: Any, path: str) -> Any:
    response = client._do_request("GET", path)
    response.raise_for_status()
    return response.json()


def _check_ray(address: str, theirs: str) -> None:
    import ray

    if theirs != ray.__version__:
        raise InvalidInput(
            f"cluster.address: {address} runs Ray {theirs}, and the launcher is tested with {ray.__version__}; use a "
            "cluster of this version"
        )


@contextmanager
def _the_address(address: str) -> Iterator[None]:
    """Ray's client takes a variable before what it is given: a profile's address must not become another's cluster."""
    before = os.environ.get(ADDRESS)
    os.environ[ADDRESS] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[ADDRESS]
        else:
            os.environ[ADDRESS] = before


def _one_line(told: object) -> str:
    return " ".join(str(told).split())
