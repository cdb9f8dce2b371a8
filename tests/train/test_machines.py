"""What machines of a cluster say of themselves, and what is made of it."""

import os
import re
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import ValidationError

import launcher
from launcher import __version__
from launcher.checkpoint.entries import Close
from launcher.checkpoint.journal import Journal
from launcher.cluster.common import RAY_VERSION
from launcher.cluster.interfaces import interface_of
from launcher.cluster.profile import Ray, Slurm
from launcher.errors import InvalidInput
from launcher.storage.store import Store
from launcher.train.choose_nodes import SPARES_S, chosen, culprit, failures_by_host, to_avoid
from launcher.train.cluster import Cluster, Node
from launcher.train.looking import secrets_lacking, variables
from launcher.train.node_look import Look, check, code_digest, look, versions
from launcher.train.ray_cluster import _missing, attached

PROFILE = Ray(backend="ray", nodes=2, workers_per_node=1, secrets=["WORD"])
HERE = Look("a", versions(), "eth0", None, ())


def test_a_machine_tells_its_versions_its_interface_and_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setenv("WORD", "plugh")
    (tmp_path / "probe").write_text("x")
    found = look("127.0.0.1", str(tmp_path), "probe", ["WORD", "OTHER"])
    assert (found.interface, found.unreachable, found.lacking) == ("lo", None, ("OTHER",))
    assert found.versions == versions()
    assert look("127.0.0.1", str(tmp_path), "absent", []).unreachable is not None
    assert interface_of("192.0.2.77") is None


def test_machines_that_cannot_read_the_run_are_named():
    with pytest.raises(InvalidInput, match=r"cluster\.storage: /r/x cannot be read on b \(no such file\)"):
        check([HERE, replace(HERE, host="b", unreachable="no such file")], "/r/x")


def test_machines_with_other_versions_are_named_with_both():
    other = replace(HERE, host="b", versions={**versions(), "torch": "1.0"})
    with pytest.raises(InvalidInput, match=re.escape(f"b has torch 1.0, the driver {versions()['torch']}")):
        check([HERE, other], "/r/x")


def test_other_code_of_the_same_version_is_told_apart(tmp_path):
    assert versions()["launcher"] == f"{__version__} ({code_digest(Path(launcher.__file__).parent)})"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.py").write_text("a = 1\n")
    before = code_digest(tmp_path)
    (tmp_path / "deep" / "one.txt").write_text("no code")
    assert code_digest(tmp_path) == before
    (tmp_path / "deep" / "one.py").write_text("a = 2\n")
    changed = code_digest(tmp_path)
    assert changed != before
    (tmp_path / "deep" / "one.py").rename(tmp_path / "one.py")
    assert code_digest(tmp_path) not in (before, changed)


def test_the_driver_gives_what_machines_lack_and_nothing_else(monkeypatch):
    monkeypatch.setenv("WORD", "plugh")
    assert secrets_lacking(PROFILE, [HERE]) == {}
    given = secrets_lacking(PROFILE, [HERE, replace(HERE, host="b", lacking=("WORD",))])
    assert given == {"WORD": "plugh"}
    assert "plugh" not in repr(Cluster(Path("/tmp"), secrets=given))
    monkeypatch.delenv("WORD")
    with pytest.raises(InvalidInput, match=r"cluster\.secrets: WORD \(not on b\)"):
        secrets_lacking(PROFILE, [replace(HERE, host="b", lacking=("WORD",))])


def test_the_interface_is_chosen_where_all_call_it_the_same_and_nobody_chose(monkeypatch):
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        monkeypatch.delenv(name, raising=False)
    both = {"GLOO_SOCKET_IFNAME": "eth0", "NCCL_SOCKET_IFNAME": "eth0"}
    assert variables(PROFILE, [HERE, HERE]) == both
    assert variables(PROFILE, [HERE, replace(HERE, interface="ib0")]) == {}
    chosen = PROFILE.model_copy(update={"environment": {"NCCL_SOCKET_IFNAME": "ib0"}})
    assert variables(chosen, [HERE]) == {**both, "NCCL_SOCKET_IFNAME": "ib0"}


def test_machines_that_did_not_come_are_named(monkeypatch):
    monkeypatch.setenv("LAUNCHER_HOSTS", "a,b,c")
    told = _missing(PROFILE, [Node("1", "a", "10.0.0.1")])
    assert told.startswith("1 of 2 machines with 1 cores came within 10 minutes (missing: b, c; there: a)")


def test_machines_that_failed_come_last_and_spare_ones_are_waited_for_in_their_place():
    a, b, c = (Node(name, name, name) for name in "abc")
    profile = Slurm(backend="slurm", time="30", nodes=2, spares=1)
    assert chosen([a], profile, {}, 0) is None
    assert chosen([b, a], profile, {}, 0) == (a, b)
    assert chosen([a, b], profile, {"a": 1}, 0) is None
    assert chosen([a, b], profile, {"a": 1}, SPARES_S) == (a, b)
    assert chosen([a, b, c], profile, {"a": 1}, 0) == (b, c)
    assert chosen([a, b, c], profile, {"a": 1, "b": 2, "c": 3}, 0) == (a, b)
    assert chosen([a, b], profile.model_copy(update={"spares": 0}), {"a": 1}, 0) == (a, b)


def test_fewer_machines_are_enough_where_the_profile_says_so_and_the_time_has_come():
    a, b, c = (Node(name, name, name) for name in "abc")
    profile = Ray(backend="ray", nodes=3, min_nodes=2)
    assert chosen([a, b], profile, {}, 0) is None
    assert chosen([a, b], profile, {"a": 1}, 0, fewer=True) == (a, b)
    assert chosen([a], profile, {}, 0, fewer=True) is None
    assert chosen([a, b, c], profile, {}, 0, fewer=True) == (a, b, c)
    with pytest.raises(ValidationError, match="min_nodes is 4, more than nodes, 3"):
        Ray(backend="ray", nodes=3, min_nodes=4)


def test_a_host_that_fails_more_often_than_the_profile_bears_is_avoided(tmp_path):
    journal = Journal(Store.open(str(tmp_path)))
    for host, ended in (("a", "lost"), ("b", "hung"), ("a", "collective"), ("b", "bad-data"), ("c", "drain")):
        attempt = journal.open_attempt("ray", "job", ["a", "b", "c"])
        journal.append(Close(attempt=attempt.number, cause="x", exit_code=1, ended=ended, host=host))
    assert to_avoid(str(tmp_path), 1) == {"a"}
    assert to_avoid(str(tmp_path), 0) == {"a", "b"}


def test_one_host_alone_that_fails_more_often_than_the_profile_bears_is_the_culprit():
    def closes(*ends):
        return [
            Close(attempt=number, cause="x", exit_code=1, ended=ended, host=host)
            for number, (ended, host) in enumerate(ends)
        ]

    assert culprit(closes(("lost", "a"), ("time-limit", None), ("hung", "a")), 1) == "a"
    assert culprit(closes(("lost", "a"), ("hung", "a")), 2) is None
    assert culprit(closes(("lost", "a"), ("other", "b"), ("lost", "a")), 1) == "a"
    assert culprit(closes(("lost", "a"), ("lost", "b"), ("lost", "a")), 1) is None, "the fault travels with the run"
    assert culprit(closes(("collective", "a"), ("collective", "a")), 1) is None, "a rank that noticed is none"


def test_failures_are_counted_by_host_out_of_the_journal(tmp_path):
    journal = Journal(Store.open(str(tmp_path)))
    for host in ("a", "b", "a", None):
        attempt = journal.open_attempt("slurm", "job", ["a", "b"])
        journal.append(Close(attempt=attempt.number, cause="x", exit_code=1, host=host))
    assert failures_by_host(str(tmp_path)) == {"a": 2, "b": 1}


def test_workers_go_to_their_machines_in_blocks():
    nodes = (Node("x", "a", "10.0.0.1"), Node("y", "b", "10.0.0.2"))
    selectors = Cluster(Path("/tmp"), nodes).selectors(4)
    assert [one["ray.io/node-id"] for one in selectors] == ["x", "x", "y", "y"]
    assert Cluster(Path("/tmp")).selectors(4) is None


def test_outside_of_its_job_a_profile_of_a_cluster_is_refused(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(InvalidInput, match=r"cluster\.backend: ray .* RAY_ADDRESS"), attached(PROFILE, "/r/x", print):
        pass
    assert "RAY_ADDRESS" not in os.environ


def test_a_machine_with_another_ray_than_the_tested_one_is_told_and_attaches_to_nothing(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert version("ray") == RAY_VERSION
    monkeypatch.setattr("launcher.train.ray_cluster.version", lambda name: "2.49.2")
    words = (
        rf"has Ray 2\.49\.2, and the launcher is tested with {re.escape(RAY_VERSION)}: install that, or name an image"
    )
    with pytest.raises(InvalidInput, match=words), attached(PROFILE, "/r/x", print):
        pass
