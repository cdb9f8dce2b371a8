"""A job that is requeued by hand, loses a node and loses a node's daemon ends as if nothing had been."""

import re
from collections.abc import Iterator

import pytest
import yaml

from launcher.chaos.same import losses, weights
from launcher.checkpoint.entries import Commit, Open
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.backends.slurm.conftest import write_profile
from tests.backends.slurm.test_slurm_submit import WITHIN_S, launcher
from tests.nodes.slurm_on import Cluster, slurm_on, start_slurmd, until
from tests.small import SMALL

STEPS = {"max_steps": 1500, "global_batch_size": 32, "save_steps": 25, "save_total_limit": 3}


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Slurm of three nodes, of which a run takes two."""
    folder = tmp_path_factory.mktemp("slurm")
    folder.chmod(0o755)
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL | {"training": SMALL["training"] | STEPS}))
    with slurm_on(folder, ("n1", "n2", "n3")) as cluster:
        write_profile(cluster, "two.yaml")
        yield cluster


@pytest.mark.slow
def test_a_run_that_loses_its_place_again_and_again_ends_in_the_weights_of_the_undisturbed_one(three: Cluster) -> None:
    runs = three.folder / "runs"
    store = Store.open(str(runs / "tossed"))

    def until_committed(attempt: int) -> None:
        def there() -> bool:
            assert " tossed " in three.queue(), three.logs()
            entries = Journal(store).entries() if (runs / "tossed" / "journal").is_dir() else []
            return any(isinstance(each, Commit) and each.attempt == attempt for each in entries)

        until(there, f"a commit of attempt {attempt}", WITHIN_S, every=0.5)

    def nodes() -> tuple[str, ...]:
        return [each.hosts for each in Journal(store).entries() if isinstance(each, Open)][-1]

    done = launcher(three, "submit", "small.yaml", "--cluster", "two.yaml", "--run-id", "tossed")
    assert done.code == 0, done.err
    job = re.search(r"^job +(\d+)$", done.out, re.MULTILINE)
    assert job is not None
    by_name = {node.name: node for node in three.nodes}
    try:
        until_committed(1)
        three.run("scontrol", "requeue", job[1]).check_returncode()
        until_committed(2)
        lost = by_name[nodes()[1]]
        lost.unplug()
        until_committed(3)
        assert lost.name not in nodes()
        deaf = by_name[nodes()[1]]
        (daemon,) = (one for one in deaf.processes() if one.name() == "slurmd")
        daemon.kill()
        until(lambda: "slurmd" not in {one.name() for one in deaf.processes()}, "the daemon's end")
        start_slurmd(three, deaf)
        until(lambda: " tossed " not in three.queue(), "the end", 3 * WITHIN_S, every=0.5)
        calm = ("run", "small.yaml", f"cluster.storage={runs}", "cluster.workers=2", "--run-id", "calm")
        assert launcher(three, *calm).code == 0
        entries = Journal(store).entries()
        print(*(each for each in entries if not isinstance(each, Commit)), sep="\n")
        assert weights(store) == weights(Store.open(str(runs / "calm")))
        assert losses(store) == losses(Store.open(str(runs / "calm")))
    except BaseException:
        print(three.logs())
        raise
