import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.nodes.slurm_on import Cluster, slurm_on
from tests.small import SMALL


@pytest.fixture(scope="package")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Slurm of a login node and two others, with `small.yaml` and `two.yaml` in the folder that all share."""
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    with slurm_on(folder) as cluster:
        for node in cluster.nodes:  # what a shell would make of `n[1-2]`, where somebody forgot to quote it
            (folder / node.name).touch()
        write_recipe(cluster, "small.yaml")
        write_profile(cluster, "two.yaml")
        yield cluster


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of three nodes, of which `two.yaml` takes two."""
    folder = tmp_path_factory.mktemp("three")
    folder.chmod(0o755)
    with slurm_on(folder, ("n1", "n2", "n3")) as cluster:
        write_profile(cluster, "two.yaml", partition="low", grace_seconds=8.0)
        yield cluster


def write_recipe(cluster: Cluster, name: str, **training: Any) -> None:
    (cluster.folder / name).write_text(yaml.safe_dump(SMALL | {"training": {**SMALL["training"], **training}}))


def write_profile(cluster: Cluster, name: str, **fields: object) -> None:
    """Two nodes with a worker each, unless fields say otherwise."""
    values = {
        "backend": "slurm",
        "nodes": 2,
        "cpus_per_node": 2,
        "workers_per_node": 1,
        "time": "10",
        "storage": str(cluster.folder / "runs"),
        "folder": str(cluster.folder / "jobs"),
        "cache_folder": "/tmp/cache",
        "python": sys.executable,
        "wait_minutes": 2.0,
    }
    (cluster.folder / name).write_text(yaml.safe_dump(values | fields))
