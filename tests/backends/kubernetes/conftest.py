from collections.abc import Iterator

import pytest

from launcher.backends.kubernetes.kubernetes import KubernetesBackend
from tests.backends.kubernetes.api_server import ApiServer, api_server
from tests.backends.kubernetes.submissions import profile_of


@pytest.fixture
def server(tmp_path, monkeypatch) -> Iterator[ApiServer]:
    """A cluster without objects, which is the current one of the kubeconfig."""
    with api_server(tmp_path) as (state, config):
        monkeypatch.setenv("KUBECONFIG", str(config))
        yield state


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cluster(server, told, tmp_path) -> KubernetesBackend:
    return KubernetesBackend(profile_of(storage=f"file://{tmp_path}/runs"), told.append)
