"""A node on which a run fails goes onto the ledger by itself, and later jobs do without it."""

import re

import pytest

from launcher.chaos.processes import WORKER, kill
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.ledger.hosts import bad_hosts
from tests.backends.slurm.conftest import write_profile, write_recipe
from tests.backends.slurm.test_slurm_run import entries, until_gone
from tests.backends.slurm.test_slurm_submit import WITHIN_S, launcher
from tests.nodes.slurm_on import Cluster, until

pytestmark = pytest.mark.slow


def submitted(slurm: Cluster, run_id: str, cluster: str) -> str:
    done = launcher(slurm, "submit", "long.yaml", "--cluster", cluster, "--run-id", run_id)
    found = re.search(r"^job +(\d+)$", done.out, re.MULTILINE)
    assert found is not None, done.err
    return found[1]


def kill_rank_on_the_second_host(slurm: Cluster, run_id: str) -> str:
    """As a machine with a fault does, once there is a commit; returns its name."""
    until(lambda: entries(slurm, run_id, Commit), "a commit", WITHIN_S, every=0.5)
    name = entries(slurm, run_id, Open)[-1].hosts[1]
    (host,) = (node for node in slurm.nodes if node.name == name)
    (rank,) = (one for one in host.processes() if " ".join(one.cmdline()).startswith(WORKER))
    kill(rank.pid)
    return str(name)


def second_start(slurm: Cluster, run_id: str) -> tuple[str, ...]:
    until(lambda: len(entries(slurm, run_id, Open)) == 2, "a second attempt", WITHIN_S, every=0.5)
    closed = entries(slurm, run_id, Close)[0]
    assert (closed.ended, closed.then) == ("lost", "again")
    return tuple(entries(slurm, run_id, Open)[1].hosts)


def excluded(slurm: Cluster, job: str) -> str:
    found = re.search(r"ExcNodeList=(\S+)", slurm.run("scontrol", "show", "job", job).stdout)
    assert found is not None
    return found[1]


def test_a_node_that_fails_is_left_out_by_the_next_start_the_next_job_and_where_there_is_a_spare(
    three: Cluster,
) -> None:
    storage = str(three.folder / "runs")
    write_recipe(three, "long.yaml", max_steps=100_000, save_steps=10)
    write_profile(three, "strict.yaml", retries={"same_host": 0})
    write_profile(three, "spare.yaml", retries={"same_host": 0}, spares=1)
    try:
        job = submitted(three, "moved", "strict.yaml")
        assert excluded(three, job) == "(null)"
        bad = kill_rank_on_the_second_host(three, "moved")
        assert bad not in second_start(three, "moved")
        assert list(bad_hosts(storage)) == [bad]
        assert excluded(three, job) == bad
        starts = [f"job {job} start {number} of testing" for number in range(2)]
        assert [each.job_id.partition(";")[0] for each in entries(three, "moved", Open)] == starts
        assert launcher(three, "cancel", f"{storage}/moved").code == 0
        until_gone(three, "moved")

        job = submitted(three, "later", "strict.yaml")
        assert excluded(three, job) == bad
        assert launcher(three, "cancel", f"{storage}/later").code == 0
        until_gone(three, "later")

        assert launcher(three, "doctor", f"cluster.storage={storage}", "--unban", bad).code == 0
        submitted(three, "spared", "spare.yaml")
        bad = kill_rank_on_the_second_host(three, "spared")
        assert bad not in second_start(three, "spared")
        assert list(bad_hosts(storage)) == [bad]
        assert all("start 0 of" in each.job_id for each in entries(three, "spared", Open)), "the same job went on"
        assert launcher(three, "cancel", f"{storage}/spared").code == 0
        until_gone(three, "spared")
    except BaseException:
        print(three.logs())
        raise
