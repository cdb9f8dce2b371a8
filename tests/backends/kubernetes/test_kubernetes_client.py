"""Submitting, looking up and ending, against an API server that refuses, forgets and breaks off."""

import base64
import json
import socket
from dataclasses import replace

import pytest

from launcher.backends.kubernetes.kubernetes import KubernetesBackend
from launcher.backends.kubernetes.names import RUN_ID, run_name
from launcher.backends.submit import submit
from launcher.errors import InvalidInput, LauncherError, RunOwned
from launcher.storage.store import Store
from tests.backends.kubernetes.api_server import failure
from tests.backends.kubernetes.submissions import profile_of, submission

RUN = "sst2-lora-20261121"
NAME = f"{RUN}-1"


def sent(profile=None):
    return submission(profile or profile_of(), RUN)


def test_a_job_is_tried_dry_first_and_then_created(cluster, server):
    cluster.check(sent())
    assert server.all("rayjobs") == []
    assert cluster.submit(sent()) == NAME
    (job,) = server.all("rayjobs")
    assert job["metadata"]["annotations"][RUN_ID] == RUN
    creates = [query for verb, _, query in server.asked if verb == "create"]
    assert creates == [{"dryRun": "All", "fieldValidation": "Strict"}, {"fieldValidation": "Strict"}]


def test_what_is_sent_is_what_is_printed_but_for_the_nonce(cluster, server):
    import yaml

    cluster.submit(sent())
    (job,) = server.all("rayjobs")
    del job["metadata"]["annotations"]["llama-launcher/nonce"], job["metadata"]["creationTimestamp"]
    assert yaml.safe_load(cluster.render(sent())) == job


def test_a_job_that_the_dry_run_refuses_leaves_nothing_in_the_run_directory(cluster, server):
    server.refused["create", "rayjobs"] = failure(422, "spec.backoffLimit: Invalid value", "x")
    here = replace(sent(profile_of(storage="memory://refused")), run_url=f"memory://refused/{RUN}")
    with pytest.raises(InvalidInput, match=r"spec\.backoffLimit"):
        submit(cluster, here)
    assert server.all("rayjobs") == []
    assert Store.open(here.run_url).list("") == []


def test_a_submission_whose_answer_was_lost_is_found_and_not_sent_twice(cluster, server):
    server.lost.add("create")
    assert cluster.submit(sent()) == NAME
    assert len(server.all("rayjobs")) == 1


def test_a_run_that_is_there_is_not_submitted_again(cluster):
    cluster.submit(sent())
    with pytest.raises(RunOwned, match=f"already as {NAME}"):
        cluster.submit(sent())


def test_a_run_whose_job_has_ended_is_submitted_under_the_next_number(cluster, server):
    cluster.submit(sent())
    server.objects["rayjobs"][NAME]["status"] = {"jobDeploymentStatus": "Failed"}
    assert cluster.submit(sent()) == f"{RUN}-2"


def test_a_job_of_this_name_that_another_made_is_told(cluster, server):
    server.put("rayjobs", {"metadata": {"name": NAME, "labels": {}}})
    with pytest.raises(RunOwned):
        cluster.submit(sent())


@pytest.mark.parametrize(
    ("verb", "kind", "call"),
    [
        ("create", "rayjobs", lambda cluster: cluster.submit(sent())),
        ("list", "rayjobs", lambda cluster: cluster.status(RUN)),
        ("delete", "rayjobs", lambda cluster: cluster.cancel(RUN)),
    ],
)
def test_a_missing_permission_is_told_with_its_verb_and_resource(verb, kind, call, cluster, server):
    if verb == "delete":
        cluster.submit(sent())
    server.refused[verb, kind] = failure(403, f'rayjobs.ray.io is forbidden: User "me" cannot {verb} resource', NAME)
    with pytest.raises(InvalidInput, match=rf"no permission to {verb} rayjobs.ray.io in namespace default"):
        call(cluster)


def test_a_cluster_without_kuberay_is_told(cluster, server):
    server.kinds.discard("rayjobs")
    with pytest.raises(LauncherError, match=r"knows no rayjobs\.ray\.io: have KubeRay"):
        cluster.submit(sent())


def test_a_busy_server_is_asked_again(cluster, server, monkeypatch):
    answers = [failure(503, "etcd leader changed"), failure(429, "slow down")]
    refused = server.refused

    class Once(dict):
        def __contains__(self, key):
            return key == ("list", "rayjobs") and bool(answers)

        def __getitem__(self, key):
            return answers.pop(0)

    monkeypatch.setattr(server, "refused", Once(refused))
    assert cluster.status(RUN).state == "absent"
    assert not answers


def test_an_address_where_nobody_listens_is_told(tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = {
        "apiVersion": "v1",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}],
        "current-context": "c",
    }
    (tmp_path / "config").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(LauncherError, match=f"http://127.0.0.1:{port} does not answer"):
        KubernetesBackend(profile_of()).submit(sent())


def test_an_unknown_context_is_told(server):
    with pytest.raises(InvalidInput, match=r"cluster\.context: elsewhere"):
        KubernetesBackend(profile_of(context="elsewhere")).status(RUN)


def test_a_secret_that_is_missing_is_told_before_anything_is_sent(server, told):
    profile = profile_of(secret="mine", secrets=["HF_TOKEN"])
    with pytest.raises(InvalidInput, match=r"cluster\.secret: mine is not in namespace default"):
        KubernetesBackend(profile, told.append).check(sent(profile))
    server.put("secrets", {"metadata": {"name": "mine"}, "data": {"OTHER": "cGxhbnRlZA=="}})
    with pytest.raises(InvalidInput, match=r"cluster\.secrets: HF_TOKEN is not in Secret mine"):
        KubernetesBackend(profile, told.append).check(sent(profile))
    assert server.all("rayjobs") == []


def test_a_secret_that_may_not_be_looked_at_is_trusted_with_a_word(server, told):
    profile = profile_of(secret="mine", secrets=["HF_TOKEN"])
    server.refused["get", "secrets"] = failure(403, "secrets is forbidden", "mine")
    KubernetesBackend(profile, told.append).check(sent(profile))
    assert "was not looked at" in told[0]


def test_a_job_that_has_not_begun_is_stopped_by_removing_it(cluster, server):
    cluster.submit(sent())
    assert "had not begun" in cluster.stop(RUN)
    assert server.all("rayjobs") == []


def test_a_job_that_runs_is_left_for_its_driver_to_stop(cluster, server):
    cluster.submit(sent())
    server.objects["rayjobs"][NAME]["status"] = {"jobDeploymentStatus": "Running"}
    assert cluster.stop(RUN) is None
    assert cluster.stop("another") is None
    assert server.all("rayjobs") != []


def test_cancelling_removes_the_job_and_leaves_its_pods_no_grace(cluster, server):
    cluster.submit(sent())
    server.objects["rayjobs"][NAME]["status"] = {"jobDeploymentStatus": "Running", "rayClusterName": "c1"}
    for name in ("head", "worker"):
        server.put("pods", {"metadata": {"name": name, "labels": {"ray.io/cluster": "c1"}}})
    server.put("pods", {"metadata": {"name": "stranger", "labels": {"ray.io/cluster": "c2"}}})
    assert NAME in cluster.cancel(RUN)
    assert server.all("rayjobs") == []
    assert [one["metadata"]["name"] for one in server.all("pods")] == ["stranger"]


def test_a_run_that_is_not_there_cannot_be_cancelled(cluster):
    with pytest.raises(InvalidInput, match="no job of this run"):
        cluster.cancel(RUN)


def test_runs_with_a_like_name_are_told_apart(cluster, server):
    cluster.submit(sent())
    server.objects["rayjobs"][NAME]["metadata"]["annotations"][RUN_ID] = "another"
    assert run_name(RUN) == RUN
    assert cluster.status(RUN).state == "absent"


def test_a_secrets_value_is_looked_past_and_told_nowhere(server, told, capsys):
    planted = "planted-4b1d"
    coded = base64.b64encode(planted.encode()).decode()
    server.put("secrets", {"metadata": {"name": "mine"}, "data": {"HF_TOKEN": coded, "OTHER": coded}})
    profile = profile_of(secret="mine", secrets=["HF_TOKEN"])
    backend = KubernetesBackend(profile, told.append)
    rendered = backend.render(sent(profile))
    backend.submit(sent(profile))
    seen = [rendered, repr(backend), json.dumps(server.all("rayjobs")), repr(server.asked), repr(backend.status(RUN))]
    seen += [*told, *capsys.readouterr()]
    assert "HF_TOKEN" in rendered
    assert not any(planted in text or coded in text for text in seen)
