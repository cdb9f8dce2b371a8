"""Clusters that cannot have a run, told before anything is sent or written; and which cluster is meant."""

import platform
import socket

import pytest

from launcher.backends.ray_jobs.ray_jobs import RayBackend
from launcher.backends.submit import submit
from launcher.errors import InvalidInput, LauncherError
from launcher.storage.store import Store
from tests.backends.ray_jobs.test_job_package import submission

OLD = "3.10.4"
TOLD = {
    "another Ray": ({"version": "2.49.0"}, r"runs Ray 2\.49\.0, and the launcher is tested with"),
    "an old Python": ({"python": OLD}, r"runs Python 3\.10\.4, and the launcher needs 3\.11 or later"),
    "another token": ({"token": "theirs"}, "does not take the token; set RAY_AUTH_MODE=token"),
}


@pytest.mark.parametrize("case", TOLD)
def test_a_cluster_that_cannot_have_the_run_is_told_and_nothing_is_sent_or_written(case, dashboard):
    kind, address = dashboard
    changes, words = TOLD[case]
    for name, value in changes.items():
        setattr(kind, name, value)
    refused(InvalidInput, words, address=address)
    assert kind.sent == []


def test_an_address_where_nobody_answers_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        refused(LauncherError, rf"cluster\.address: {address} does not answer", address=address)


def test_a_working_directory_of_600_mib_is_told(dashboard, tmp_path):
    kind, address = dashboard
    with (tmp_path / "weights.bin").open("wb") as sparse:
        sparse.truncate(600 * 2**20)
    words = r"cluster\.working_dir: .* holds 600 MiB, and Ray takes 512 MiB; most is in weights\.bin"
    refused(InvalidInput, words, address=address, working_dir=str(tmp_path))
    assert kind.sent == []


def test_another_python_that_will_do_is_told(dashboard):
    kind, address = dashboard
    kind.python = "3.99.1"
    lines: list[str] = []
    wanted = submission(address=address)
    RayBackend(wanted.profile, lines.append).check(wanted)
    (line,) = lines
    assert line.endswith(f"runs Python 3.99.1, and this machine {platform.python_version()}")


def refused(kind, words, **fields):
    wanted = submission(storage="memory://refused", **fields)
    with pytest.raises(kind, match=words):
        submit(RayBackend(wanted.profile), wanted)
    assert Store.open(wanted.run_url).list() == []


def test_the_profiles_address_holds_where_the_environment_names_another_cluster(dashboard, monkeypatch):
    _, address = dashboard
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    assert RayBackend(submission(address=address).profile).status("moods-1").state == "absent"


def test_without_an_address_the_environments_is_taken(dashboard, monkeypatch):
    _, address = dashboard
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    with pytest.raises(InvalidInput, match=r"cluster\.address: missing"):
        RayBackend(submission(address=None).profile).status("moods-1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
    assert RayBackend(submission(address=None).profile).status("moods-1").state == "absent"
