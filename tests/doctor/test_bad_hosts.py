"""The ledger of bad hosts, and what is submitted without them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from launcher.backends.bad_hosts import without_bad_hosts
from launcher.backends.kubernetes.placement import placement
from launcher.backends.slurm.render import render
from launcher.backends.submission import Submission
from launcher.cluster.profile import Kubernetes, Slurm
from launcher.errors import InvalidInput, LauncherError
from launcher.ledger.hosts import bad_hosts, ban, unban
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store
from tests.conftest import RECIPE
from tests.doctor.told import doctor


def submission(profile: Slurm | Kubernetes) -> Submission:
    return Submission("one", f"{profile.storage}/one", Recipe.model_validate(RECIPE), profile, 1)


def test_the_newest_word_on_a_host_holds(tmp_path: Path) -> None:
    storage = str(tmp_path)
    assert bad_hosts(storage) == {}
    ban(storage, "n7", "XID 79")
    ban(storage, "n2", "slow")
    ban(storage, "n7", "XID 79 again")
    assert bad_hosts(storage) == {"n2": "slow", "n7": "XID 79 again"}
    unban(storage, "n7")
    assert bad_hosts(storage) == {"n2": "slow"}
    ban(storage, "n7", "once more")
    assert bad_hosts(storage)["n7"] == "once more"


def test_words_that_are_said_at_once_are_all_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ban(str(tmp_path), "n7", f"reason {number}"), range(8)))
    assert len(Store.open(str(tmp_path)).list("hosts/n7")) == 8


def test_a_host_that_is_not_banned_cannot_be_taken_back(tmp_path: Path) -> None:
    ban(str(tmp_path), "n7", "XID 79")
    with pytest.raises(InvalidInput, match="n8 is not on the ledger of bad hosts, which has n7"):
        unban(str(tmp_path), "n8")


@settings(deadline=None)
@given(st.text(max_size=12).filter(lambda name: not name.replace("-", "").replace(".", "").replace("_", "").isalnum()))
def test_what_is_no_name_of_a_host_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no name of a host"):
        ban("/nowhere", name, "")


def test_a_word_that_was_cut_short_is_told_with_its_place(tmp_path: Path) -> None:
    ban(str(tmp_path), "n7", "XID 79")
    (tmp_path / "hosts/n7/word-00000001.json").write_text('{"bad": tr')
    with pytest.raises(LauncherError, match=r"hosts/n7/word-00000001\.json is no word on a host"):
        bad_hosts(str(tmp_path))


def test_a_run_of_the_ledgers_name_is_not_read_as_hosts(tmp_path: Path) -> None:
    Store.open(str(tmp_path)).write("hosts/journal/00000001.json", b"{}")
    assert bad_hosts(str(tmp_path)) == {}


def test_slurm_excludes_bad_hosts_beside_the_profiles_own_and_none_of_other_clusters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Slurm(backend="slurm", time="10", storage=str(tmp_path), folder="/jobs", exclude="n[1-2]")
    ban(str(tmp_path), "n7", "XID 79")
    ban(str(tmp_path), "a-pods-node", "slow")
    monkeypatch.setattr("launcher.backends.bad_hosts.node_names", lambda: {"n6", "n7"})
    text = render(without_bad_hosts(submission(profile)))
    assert "--exclude='n[1-2],n7'" in text
    told = "no node   a-pods-node: it is on the ledger of bad hosts, and not in this cluster\nleft out  n7: XID 79\n"
    assert capsys.readouterr().err == told


def test_pods_keep_off_bad_hosts(tmp_path: Path) -> None:
    profile = Kubernetes(backend="kubernetes", image="launcher:1", storage=str(tmp_path), exclude_hosts=["a"])
    ban(str(tmp_path), "b", "slow")
    changed = without_bad_hosts(submission(profile)).profile
    assert isinstance(changed, Kubernetes)
    told = placement(changed, "one", "worker")["affinity"]["nodeAffinity"]
    (term,) = told["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["a", "b"]}]


def test_the_doctor_writes_hosts_onto_the_ledger_and_off_it(tmp_path: Path) -> None:
    place = f"cluster.storage={tmp_path}"
    done = doctor(place, "--ban", "n7", "--ban", "n8")
    assert (done.code, done.out) == (0, "n7  by launcher doctor --ban\nn8  by launcher doctor --ban\n")
    assert doctor(place, "--unban", "n8").out == "n7  by launcher doctor --ban\n"
    assert doctor(place, "--unban", "n7").out == "no host is left out\n"
    done = doctor(place, "--unban", "n7")
    assert (done.code, done.out) == (2, "")
    assert "n7 is not on the ledger" in done.err
