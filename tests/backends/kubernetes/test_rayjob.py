"""What is rendered, pinned and held against KubeRay's schema and rules."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from launcher.backends.kubernetes.manifest import manifest, manifest_yaml
from launcher.backends.kubernetes.names import job_name, run_name
from launcher.backends.kubernetes.rules_job import DNS_1035, LONGEST_NAME
from launcher.cluster.kubernetes import Kubernetes
from launcher.cluster.load import load_profile
from launcher.errors import InvalidInput
from launcher.recipe.shipped import shipped_folder
from tests.backends.kubernetes.crd import refusals
from tests.backends.kubernetes.submissions import GOLDEN, GOLDEN_PROFILES, golden_submission, profile_of, submission

SHIPPED = sorted(path.stem for path in shipped_folder("cluster").glob("kuberay-*.yaml"))


@pytest.mark.parametrize("name", GOLDEN_PROFILES)
def test_a_manifest_is_what_its_golden_file_says(name):
    assert manifest_yaml(manifest(golden_submission(name))) == (GOLDEN / f"{name}.yaml").read_text()


def test_every_golden_file_has_a_submission():
    assert {path.stem for path in GOLDEN.iterdir()} == set(GOLDEN_PROFILES)


@pytest.mark.parametrize("name", GOLDEN_PROFILES)
def test_kuberay_would_take_every_golden_manifest(name: str, shared: Path):
    assert refusals(yaml.safe_load((GOLDEN / f"{name}.yaml").read_text()), shared) == []


@pytest.mark.parametrize("name", SHIPPED)
def test_kuberay_would_take_every_shipped_profile(name: str, shared: Path):
    profile = load_profile(name)
    assert isinstance(profile, Kubernetes)
    assert refusals(manifest(submission(profile)), shared) == []


def test_profiles_are_shipped_for_one_node_several_spot_and_none_with_gpus():
    assert SHIPPED == ["kuberay-cpu", "kuberay-h100-1x8", "kuberay-h100-4x8-rdma", "kuberay-l4-spot"]


def test_the_lead_of_the_plan_lengthens_the_drain_and_the_grace_period_outlasts_it():
    made = manifest(submission(profile_of(grace_seconds=60.0), lead_s=212.3))
    (group,) = made["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    pod = group["template"]["spec"]
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1] == "213"
    assert pod["terminationGracePeriodSeconds"] == 243


def test_secrets_are_referred_to_and_never_told(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "planted-value")
    text = manifest_yaml(manifest(submission(profile_of(secrets=["WANDB_API_KEY"], secret="mine"))))
    assert "secretKeyRef" in text
    assert "planted-value" not in text
    assert "runtimeEnvYAML" not in text


@given(st.text(alphabet="abcXYZ019._-", min_size=1, max_size=150))
def test_any_run_has_a_name_that_kuberay_takes(run_id):
    name = job_name(run_id, 999_999)
    assert len(name) <= LONGEST_NAME
    assert DNS_1035.fullmatch(name)


@given(st.lists(st.text(alphabet="abAB0._-", min_size=1, max_size=60), min_size=2, max_size=8, unique=True))
def test_no_two_runs_have_one_name(run_ids):
    assert len({run_name(one) for one in run_ids}) == len(run_ids)


@pytest.mark.parametrize(
    ("fields", "run_id", "field"),
    [
        ({"storage": "s3://bucket/$HOME"}, "r", "cluster.storage"),
        ({"storage": "s3://bucket/it's"}, "r", "cluster.storage"),
        ({"storage": 's3://bucket/"runs"'}, "r", "cluster.storage"),
        ({"storage": "s3://bucket/a;rm"}, "r", "cluster.storage"),
        ({"storage": "s3://bucket/a b"}, "r", "cluster.storage"),
        ({}, "run`id`", "--run-id"),
        ({"storage": "runs"}, "r", "cluster.storage"),
        ({"storage": "s3://me:secret@bucket/runs"}, "r", "cluster.storage"),
        ({"environment": {"HTTPS_PROXY": "http://me:secret@proxy:3128"}}, "r", "cluster.environment.HTTPS_PROXY"),
        ({"environment": {"PLACE": "$HOME/x"}}, "r", "cluster.environment.PLACE"),
        ({"environment": {"WANDB_API_KEY": "x"}}, "r", "cluster.environment.WANDB_API_KEY"),
        ({"secrets": ["HF_TOKEN"]}, "r", "cluster.secret"),
        ({"secrets": ["A"], "secret": "s", "environment": {"A": "1"}}, "r", "cluster.environment"),
        ({"keep_seconds": 5, "deletion_rules": [{"policy": "DeleteSelf", "when": "FAILED"}]}, "r", "cluster.deletion"),
        ({"kueue": {"queue": "q"}, "volcano": {"queue": "q"}}, "r", "cluster.kueue"),
        ({"kueue": {"queue": "q"}, "elastic": {"min_nodes": 0, "max_nodes": 2}}, "r", "cluster.elastic"),
        ({"nodes": 3, "elastic": {"min_nodes": 1, "max_nodes": 2}}, "r", "cluster.elastic"),
        ({"volumes": [{"mount": "/a", "claim": "c", "empty_gib": 1.0}]}, "r", "cluster.volumes.0"),
        ({"volumes": [{"mount": "/a"}]}, "r", "cluster.volumes.0"),
        ({"volumes": [{"mount": "/a", "claim": "c", "memory": True}]}, "r", "cluster.volumes.0.memory"),
    ],
)
def test_what_a_profile_may_not_ask_for_is_refused_with_its_field(fields, run_id, field):
    with pytest.raises(InvalidInput) as caught:
        manifest(submission(profile_of(**fields), run_id))
    assert str(caught.value).startswith(field)
    assert "\n" not in str(caught.value)


def test_a_path_on_a_volume_is_seen_by_pods():
    profile = profile_of(storage="/data/runs", volumes=[{"mount": "/data", "claim": "data"}])
    assert "/data/runs/" in manifest(submission(profile))["spec"]["entrypoint"]


def test_variables_whose_names_only_remind_of_secrets_are_taken():
    names = ["TOKENIZERS_PARALLELISM", "GOOGLE_APPLICATION_CREDENTIALS", "RAY_AUTH_TOKEN_PATH", "MONKEY"]
    text = manifest_yaml(manifest(submission(profile_of(environment=dict.fromkeys(names, "x")))))
    assert all(name in text for name in names)
