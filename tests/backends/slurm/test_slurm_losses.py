"""A job that loses its place in every way there is ends as if nothing had been."""

import re

import pytest

from launcher.chaos.same import compare
from launcher.checkpoint.entries import Close, Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.backends.slurm.conftest import write_recipe
from tests.backends.slurm.test_slurm_run import ENDLESS
from tests.backends.slurm.test_slurm_submit import WITHIN_S, launcher
from tests.nodes.hosts import Host
from tests.nodes.slurm_on import Cluster, start_slurmd, until


class Tossed:
    """A run on two of the three nodes, as its journal and Slurm tell of it."""

    def __init__(self, slurm: Cluster) -> None:
        self.slurm = slurm
        write_recipe(slurm, "small.yaml", **ENDLESS)
        self.store = Store.open(str(slurm.folder / "runs" / "tossed"))
        done = launcher(slurm, "submit", "small.yaml", "--cluster", "two.yaml", "--run-id", "tossed")
        found = re.search(r"^job +(\d+)$", done.out, re.MULTILINE)
        assert found is not None, done.err
        self.job = found[1]

    def until_committed(self, attempt: int) -> None:
        def there() -> bool:
            assert " tossed " in self.slurm.queue()
            entries = Journal(self.store).entries() if (self.slurm.folder / "runs/tossed/journal").is_dir() else []
            return any(isinstance(each, Commit) and each.attempt == attempt for each in entries)

        until(there, f"a commit of attempt {attempt}", WITHIN_S, every=0.5)

    def hosts(self) -> list[Host]:
        """Of the newest attempt, the one with the batch script first."""
        names = [each.hosts for each in Journal(self.store).entries() if isinstance(each, Open)][-1]
        return [node for name in names for node in self.slurm.nodes if node.name == name]

    def left(self, attempt: int) -> bool:
        """Whether it was told of a preemption, and committed the step at which it left."""
        entries = Journal(self.store).entries()
        (closed,) = (each for each in entries if isinstance(each, Close) and each.attempt == attempt)
        commits = [each.step for each in entries if isinstance(each, Commit) and each.attempt == attempt]
        return (closed.ended, closed.exit_code, closed.step) == ("preemption", 75, commits[-1])

    def disturb(self) -> None:
        self.until_committed(1)
        self.slurm.run("scontrol", "requeue", self.job).check_returncode()
        self.until_committed(2)
        self.slurm.run("scancel", "--signal=TERM", self.job).check_returncode()
        self.until_committed(3)
        assert self.left(2)
        words = ("--partition=high", "--nodes=3", "--exclusive", "--wrap=sleep 5")
        self.slurm.run("sbatch", *words).check_returncode()
        self.until_committed(4)
        assert self.left(3)
        _, lost = self.hosts()
        lost.unplug()
        self.until_committed(5)
        assert lost not in self.hosts()
        _, deaf = self.hosts()
        (daemon,) = (one for one in deaf.processes() if one.name() == "slurmd")
        daemon.kill()
        until(lambda: f"{self.job} tossed PENDING" in self.slurm.queue(), "the node is missed", WITHIN_S, every=0.5)
        until(lambda: not deaf.processes(), "the end of what the run had there", WITHIN_S, every=0.5)
        start_slurmd(self.slurm, deaf)
        self.until_committed(6)


@pytest.mark.slow
def test_a_run_that_loses_its_place_again_and_again_ends_in_the_weights_of_the_undisturbed_one(three: Cluster) -> None:
    runs = three.folder / "runs"
    try:
        run = Tossed(three)
        run.disturb()
        assert launcher(three, "stop", run.store.location).code == 0
        until(lambda: " tossed " not in three.queue(), "the end", every=0.5)
        last = [each for each in Journal(run.store).entries() if isinstance(each, Close)][-1].step
        assert last is not None
        more = f"training.max_steps={last + 10}"
        done = launcher(
            *(three, "submit", "small.yaml", more, "--cluster", "two.yaml", "--run-id", "tossed"),
            *("--allow-recipe-change", "training.max_steps"),
        )
        assert done.code == 0, done.err
        until(lambda: " tossed " not in three.queue(), "the end", WITHIN_S, every=0.5)
        entries = Journal(run.store).entries()
        print(*(each for each in entries if isinstance(each, Open | Close)), sep="\n")
        assert [each.cause for each in entries if isinstance(each, Close)][-1] == "done"
        calm = ("run", "small.yaml", more, f"cluster.storage={runs}", "cluster.workers=2", "--run-id", "calm")
        assert launcher(three, *calm, within=3 * WITHIN_S).code == 0
        alike = compare(run.store, Store.open(str(runs / "calm")))
        print(f"{last + 10} steps, {alike}")
        assert (alike.weights, alike.documents, alike.loss) == (True, True, 0.0)
    except BaseException:
        print(three.logs())
        raise
