"""`launcher run` in an allocation that somebody asked for by hand: what a job does, at a terminal."""

import signal
import sys

import psutil
import pytest

from launcher.checkpoint.entries import Close, Commit, Open
from tests.backends.slurm.conftest import write_recipe
from tests.backends.slurm.test_slurm_run import entries, nothing_left
from tests.backends.slurm.test_slurm_submit import LAUNCHER, WITHIN_S
from tests.nodes.slurm_on import Cluster, until

pytestmark = pytest.mark.slow
SALLOC = ("salloc", "--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=2")
RUN = (*LAUNCHER, "run", "long.yaml", "--cluster", "two.yaml", "--run-id", "inside")


def test_a_run_trains_on_all_nodes_of_an_allocation_and_ctrl_c_commits(slurm: Cluster) -> None:
    write_recipe(slurm, "long.yaml", max_steps=100_000, save_steps=10)
    log = slurm.folder / "salloc.log"
    held = slurm.login.start(*SALLOC, *RUN, log=log, folder=slurm.folder, environment=slurm.environment())
    try:
        until(lambda: entries(slurm, "inside", Commit), "a commit", WITHIN_S, every=1)
        (verb,) = (
            each
            for each in psutil.Process(held.pid).children(recursive=True)
            if each.cmdline()[: len(RUN)] == list(RUN) and each.cmdline()[0] == sys.executable
        )
        verb.send_signal(signal.SIGINT)
        assert held.wait(WITHIN_S) == 0, log.read_text()
        (opened,), (closed,) = entries(slurm, "inside", Open), entries(slurm, "inside", Close)
        assert opened.hosts == ("n1", "n2")
        assert (closed.ended, closed.exit_code) == ("stop", 0)
        assert entries(slurm, "inside", Commit)[-1].step == closed.step
        nothing_left(slurm)
    except BaseException:
        print(slurm.logs())
        raise
    finally:
        slurm.run("scancel", "--me")
        held.wait(WITHIN_S)
