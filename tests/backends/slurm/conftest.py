from collections.abc import Iterator

import pytest
import yaml

from tests.nodes.slurm_on import Cluster, slurm_on
from tests.small import SMALL


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Slurm of a login node and two others, with `small.yaml` and `two.yaml` in the folder that all share."""
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    with slurm_on(folder) as cluster:
        write_profile(cluster, "two.yaml")
        yield cluster


def write_profile(cluster: Cluster, name: str, **fields: object) -> None:
    """Two nodes with a worker each, unless fields say otherwise."""
    import sys

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
