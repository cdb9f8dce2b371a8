"""The doctor inside an allocation of a real Slurm: the command that it names on the login node, said there."""

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.slurm.conftest import write_profile
from tests.nodes.slurm_on import Cluster, slurm_on, until

pytestmark = pytest.mark.slow
LAUNCHER = (sys.executable, "-m", "launcher")
WITHIN_S = 240.0


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("doctor-slurm")
    folder.chmod(0o755)
    with slurm_on(folder) as cluster:
        yield cluster


def test_what_it_says_on_the_login_node_examines_the_nodes(slurm: Cluster) -> None:
    write_profile(slurm, "two.yaml", secrets=["SECRET_WORD"], environment={"MOOD": "it's good"})
    more = {"SECRET_WORD": "plugh"}
    words = ("doctor", "--cluster", "two.yaml", "--only", "versions,environment,paths,disk,collectives", "--json")
    from_login = slurm.run(*LAUNCHER, *words, more=more, within=WITHIN_S)
    assert from_login.returncode == 0, from_login.stderr
    told = json.loads(from_login.stdout)
    assert {each["check"] for each in told["verdicts"] if each["state"] == "not here"} == {
        "paths",
        "disk",
        "collectives",
    }
    line = shlex.split(told["next"][-1])
    here = line.index("launcher")
    done = slurm.run(*line[:here], *LAUNCHER, *line[here + 1 :], more=more, within=WITHIN_S)
    assert done.returncode == 0, done.stderr + done.stdout + slurm.logs()
    verdicts = json.loads(done.stdout[done.stdout.index("{") :])["verdicts"]
    for check in ("versions", "environment", "paths", "disk"):
        assert {each["host"] for each in verdicts if each["check"] == check} == {"n1", "n2"}
    assert {each["unit"] for each in verdicts if each["check"] == "collectives"} == {"B/s"}
    assert "plugh" not in done.stdout + done.stderr
    for node in slurm.nodes:
        until(lambda node=node: {one.name() for one in node.processes()} <= {"slurmd"}, f"only slurmd on {node.name}")
    assert list(Path(slurm.folder, "jobs").iterdir()) == []


def test_a_variable_that_neither_driver_nor_nodes_have_is_told_on_the_login_node(slurm: Cluster) -> None:
    write_profile(slurm, "lacking.yaml", secrets=["OTHER_WORD"])
    words = ("doctor", "--cluster", "lacking.yaml", "--only", "environment")
    done = slurm.run(*LAUNCHER, *words, within=WITHIN_S)
    assert done.returncode == 3
    assert "no OTHER_WORD" in done.stdout
