"""When a verb's driver is started inside of an allocation, and when here."""

import pytest

from launcher.backends.slurm.allocation import in_allocation
from launcher.cluster.profile import Local, Ray, Slurm
from launcher.train.options import Options

PROFILE = Slurm(backend="slurm", time="10")


@pytest.mark.parametrize(
    ("variables", "inside"),
    [({}, False), ({"SLURM_JOB_ID": "7"}, True), ({"SLURM_JOB_ID": "7", "RAY_ADDRESS": "10.0.0.1:1"}, False)],
)
def test_only_a_slurm_profile_in_an_allocation_without_a_ray_cluster_starts_agents(monkeypatch, variables, inside):
    for name in ("SLURM_JOB_ID", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert in_allocation(PROFILE) is inside
    assert not in_allocation(Ray(backend="ray"))
    assert not in_allocation(Local(backend="local"))


def test_options_are_passed_on_as_they_were_given():
    assert Options().flags == []
    given = Options("one", takeover=True, may_change=("data", "training.seed"))
    assert given.flags == [
        *("--run-id", "one", "--allow-recipe-change", "data", "--allow-recipe-change", "training.seed", "--takeover")
    ]
