"""Two jobs on the same hosts at once."""

from typing import Any

import pytest

from launcher.checkpoint.entries import Close
from tests.backends.slurm.conftest import write_profile
from tests.backends.slurm.test_slurm_run import entries, nothing_left, until_gone
from tests.backends.slurm.test_slurm_submit import submit
from tests.nodes.slurm_on import Cluster, until

ROUNDS: list[Any] = [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 5))]
"""`make test` has them share once, `make e2e` four times more."""


@pytest.mark.parametrize("number", ROUNDS)
def test_two_jobs_share_both_hosts_and_neither_touches_the_other(slurm: Cluster, number: int) -> None:
    write_profile(slurm, "half.yaml", cpus_per_node=1)
    names = (f"left-{number}", f"right-{number}")
    try:
        for name in names:
            assert submit(slurm, name, cluster="half.yaml").code == 0
        until(lambda: slurm.queue().count("RUNNING") == 2, "both at once")
        for name in names:
            until_gone(slurm, name)
            assert [closed.cause for closed in entries(slurm, name, Close)] == ["done"]
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise
