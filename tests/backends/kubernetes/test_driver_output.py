"""The driver's output, over watches and streams that break, and when its pod is gone."""

from itertools import islice

import pytest

from launcher.backends.kubernetes.kubernetes import KubernetesBackend
from launcher.backends.kubernetes.names import ROLE, RUN, run_name
from launcher.errors import InvalidInput, LauncherError
from launcher.storage.store import Store
from tests.backends.kubernetes.submissions import profile_of, submission

ID = "sst2"
FIRST = ["2026-11-21T10:00:01.1Z one", "2026-11-21T10:00:02.2Z two", "2026-11-21T10:00:02.2Z three"]
REST = ["2026-11-21T10:00:02.2Z two", "2026-11-21T10:00:02.2Z three", "2026-11-21T10:00:02.2Z four"]
LAST = "2026-11-21T10:00:09.9Z half of a line"


def head(state: str, created: str = "2026-11-21T10:00:00Z", cluster: str = "c1"):
    status = {
        "containerStatuses": [
            {
                "name": "ray-job-submitter",
                "image": "",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {state: {}},
            }
        ]
    }
    if state == "terminated":
        status["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0}}
    labels = {RUN: run_name(ID), ROLE: "head", "ray.io/cluster": cluster}
    name = "head" if cluster == "c1" else f"head-{cluster}"
    return {"metadata": {"name": name, "labels": labels, "creationTimestamp": created}, "status": status}


@pytest.fixture
def running(cluster, server) -> KubernetesBackend:
    cluster.submit(submission(cluster.profile, ID))
    becomes(server, "Running", "c1")
    return cluster


def becomes(server, status: str, cluster: str | None):
    server.objects["rayjobs"][f"{ID}-1"]["status"] = {"jobDeploymentStatus": status, "rayClusterName": cluster}


def test_a_log_goes_on_after_the_last_whole_line_when_the_stream_breaks(running, server):
    server.put("pods", head("terminated"))
    server.logs["head"] = [FIRST, [*REST, LAST]]
    server.before_lists = [lambda: None, lambda: becomes(server, "Complete", "c1")]
    assert list(running.logs(ID, follow=True)) == ["one", "two", "three", "four", "half of a line"]


def test_a_log_that_breaks_for_ever_is_told(running, server, monkeypatch):
    monkeypatch.setattr("launcher.backends.kubernetes.follow.PAUSE_S", 0.0)
    server.put("pods", head("running"))
    server.logs["head"] = [FIRST, *([[]] * 40)]
    with pytest.raises(LauncherError, match="too often"):
        list(running.logs(ID, follow=True))


def test_following_waits_for_the_pod_through_a_break_and_a_watch_that_is_too_old(running, server):
    def appears():
        becomes(server, "Complete", "c1")
        server.logs["head"] = [[*FIRST]]
        return server.put("pods", head("terminated"))

    server.on_watch = [lambda: None, lambda: 410, appears]
    assert list(running.logs(ID, follow=True)) == ["one", "two", "three"]
    assert sum(verb == "watch" for verb, _, _ in server.asked) == 3


def test_watches_that_break_for_ever_are_told(running, server, monkeypatch):
    monkeypatch.setattr("launcher.backends.kubernetes.follow.PAUSE_S", 0.0)
    with pytest.raises(LauncherError, match="watches of pods in a row"):
        list(running.logs(ID, follow=True))


def test_the_pod_of_an_earlier_job_of_the_run_is_not_taken(running, server):
    server.put("pods", head("terminated", created="2026-11-21T09:00:00Z"))
    server.logs["head"] = [FIRST]
    with pytest.raises(InvalidInput, match="no worker of the run has started yet"):
        list(running.logs(ID, follow=False))


def test_when_the_pod_is_gone_the_run_directory_tells_what_its_workers_printed(server, tmp_path, told):
    profile = profile_of(storage=f"file://{tmp_path}/runs")
    store = Store.open(f"{tmp_path}/runs/{ID}")
    for name in ("logs/1-0.log", "logs/2-0.log", "logs/2-1.log"):
        store.create(name, f"words of {name}\n".encode())
    lines = list(KubernetesBackend(profile, told.append).logs(ID, follow=False))
    assert "no job of run sst2" in lines[0]
    assert [line for line in lines if line.startswith("words")] == ["words of logs/2-0.log", "words of logs/2-1.log"]


@pytest.mark.parametrize(("meanwhile", "between"), [("Retrying", None), ("Suspended", None), ("Running", "c2")])
def test_following_goes_on_in_the_next_cluster(meanwhile, between, running, server, monkeypatch):
    def another():
        becomes(server, meanwhile, between)
        server.put("pods", head("terminated", created="2026-11-21T11:00:00Z", cluster="c2"))
        server.logs["head-c2"] = [["2026-11-21T11:00:01.1Z five"]]

    monkeypatch.setattr("launcher.backends.kubernetes.driver_output.POLL_S", 0.0)
    server.put("pods", head("terminated"))
    server.logs["head"] = [FIRST]
    server.before_lists = [lambda: None, lambda: None, another, lambda: becomes(server, "Running", "c2")]
    server.before_lists.append(lambda: becomes(server, "Failed", "c2"))
    assert list(running.logs(ID, follow=True)) == ["one", "two", "three", "five"]
    assert server.before_lists == []


def test_a_pod_that_is_deleted_while_it_is_followed_is_followed_by_the_next(running, server):
    server.put("pods", head("running"))
    server.logs["head"] = [FIRST, []]
    server.before_lists = [lambda: None, lambda: becomes(server, "Failed", "c1")]
    lines = running.logs(ID, follow=True)
    assert next(lines) == "one"
    del server.logs["head"]
    assert list(lines) == ["two", "three"]


def test_nothing_is_read_before_it_is_asked_for(running, server):
    server.put("pods", head("terminated"))
    server.logs["head"] = [[*FIRST]]
    assert list(islice(running.logs(ID, follow=True), 1)) == ["one"]
