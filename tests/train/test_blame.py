"""A host that makes a run fail again and again: written onto the ledger of bad hosts, and left."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from launcher.checkpoint.journal import Attempt, Journal
from launcher.cluster.profile import Profile, Ray, Slurm
from launcher.errors import LauncherError
from launcher.ledger.hosts import bad_hosts, ban
from launcher.storage.store import Store
from launcher.train.closing import _blame
from launcher.train.cluster import Cluster, Node
from launcher.train.regroup import TooFew, _refuse_bad

ERROR = LauncherError("rank 1 on n2 died without a word")


def failed_on_n2(storage: Path, times: int) -> Attempt:
    journal = Journal(Store.open(str(storage / "one")))
    for _ in range(times):
        attempt = journal.open_attempt("slurm", "job 7 start 0 of east", ["n1", "n2"])
        attempt.close(str(ERROR), 1, "lost", host="n2", then="again")
    return attempt


def blame(profile: Profile, attempt: Attempt) -> list[str]:
    told: list[str] = []
    run: Any = SimpleNamespace(profile=profile, id="one", screen=SimpleNamespace(line=told.append))
    _blame(run, attempt, ERROR)
    return told


def test_the_ledger_is_told_of_a_host_once_and_the_user_how_to_take_that_back(tmp_path: Path) -> None:
    profile = Slurm(backend="slurm", time="10", storage=str(tmp_path))
    assert blame(profile, failed_on_n2(tmp_path, 2)) == []
    assert bad_hosts(str(tmp_path)) == {}
    attempt = failed_on_n2(tmp_path, 1)
    (line,) = blame(profile, attempt)
    assert line.endswith("launcher doctor --unban n2")
    told = "run one failed there again and again; in attempt 3: rank 1 on n2 died without a word"
    assert bad_hosts(str(tmp_path)) == {"n2": told}
    assert blame(profile, attempt) == []


def test_a_host_whose_name_may_be_a_pods_is_not_written_down(tmp_path: Path) -> None:
    assert blame(Ray(backend="ray", storage=str(tmp_path)), failed_on_n2(tmp_path, 4)) == []
    assert bad_hosts(str(tmp_path)) == {}


def test_a_ledger_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    attempt = failed_on_n2(tmp_path, 3)
    (tmp_path / "hosts").write_text("no folder")
    (line,) = blame(Slurm(backend="slurm", time="10", storage=str(tmp_path)), attempt)
    assert "the ledger takes no word of it" in line


def test_a_run_leaves_machines_among_which_a_bad_host_is_still_needed(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, (Node("1", "n1", "10.0.0.1"), Node("2", "n2", "10.0.0.2")))
    ban(str(tmp_path), "n3", "XID 79")
    _refuse_bad(cluster, bad_hosts(str(tmp_path)))
    ban(str(tmp_path), "n2", "XID 79")
    with pytest.raises(TooFew, match="n2 is on the ledger of bad hosts") as caught:
        _refuse_bad(cluster, bad_hosts(str(tmp_path)))
    assert caught.value.exit_code == 75
