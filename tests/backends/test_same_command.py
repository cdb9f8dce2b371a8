"""One recipe on every backend: the training command, the recipe's digest and the run directory are the same."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher.backends.backend import BACKENDS, backend_of
from launcher.backends.submission import Submission, write_submission
from launcher.cli import main
from launcher.cluster.load import load_profile
from launcher.cluster.profile import KINDS
from launcher.recipe.load import load_recipe
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import RECIPE as RECIPE_FILE
from launcher.storage.store import Store
from launcher.train.run_directory import run_store, write_recipe
from tests.backends.kubernetes.submissions import RECIPE
from tests.small import SMALL

PROFILES: dict[str, dict[str, Any]] = {
    "local": {},
    "slurm": {"nodes": 2, "time": "1:00:00"},
    "kubernetes": {"nodes": 2, "image": "registry.example.com/llama-launcher:0.1.0"},
    "ray": {"nodes": 2, "address": "http://head:8265"},
}
COMMAND = "run {run}/recipe.yaml --cluster {run}/profile-1.yaml --run-id moods-1"


def submission(kind: str, storage: str) -> Submission:
    fields = {"backend": kind, "storage": storage, **PROFILES[kind]}
    if kind == "kubernetes" and storage.startswith("/"):
        fields["volumes"] = [{"mount": storage, "claim": "runs"}]
    profile = KINDS[kind].model_validate(fields)
    return Submission("moods-1", f"{storage}/moods-1", Recipe.model_validate(RECIPE), profile, number=1)


def test_there_is_a_profile_of_every_kind():
    assert PROFILES.keys() == KINDS.keys() == {"local", *BACKENDS}


@pytest.mark.parametrize("kind", PROFILES)
def test_the_training_command_is_the_same(kind):
    made = submission(kind, "s3://bucket/runs")
    command = COMMAND.format(run="s3://bucket/runs/moods-1")
    assert shlex.join(made.arguments) == command
    if kind in BACKENDS:
        text = backend_of(made.profile).render(made)
        assert command in " ".join(text.split())


@pytest.mark.parametrize("kind", BACKENDS)
def test_rendering_asks_no_cluster_and_no_storage(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    profile = {"backend": kind, "storage": "s3://bucket/runs", **PROFILES[kind]}
    (tmp_path / "there.yaml").write_text(yaml.safe_dump(profile))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    words = ("submit", f"{tmp_path}/small.yaml", "--cluster", f"{tmp_path}/there.yaml", "--run-id", "moods-1")
    assert main([*words, "--render"]) == 0
    assert COMMAND.format(run="s3://bucket/runs/moods-1") in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("kind", PROFILES)
def test_the_command_finds_recipe_and_profile_and_the_digest_is_the_same(kind, tmp_path):
    made = write_submission(submission(kind, str(tmp_path)))
    _, recipe, _, profile, *_ = made.arguments
    assert load_recipe(recipe).digest == Recipe.model_validate(RECIPE).digest
    assert load_profile(profile) == made.profile


@pytest.mark.parametrize("kind", PROFILES)
def test_the_run_directory_is_the_one_that_a_run_here_makes(kind, tmp_path: Path):
    recipe = Recipe.model_validate(RECIPE)
    here = run_store(str(tmp_path / "here"), "moods-1")
    write_recipe(here, recipe)
    there = Store.open(write_submission(submission(kind, str(tmp_path / "there"))).run_url)
    assert there.location == str(tmp_path / "there" / "moods-1")
    assert there.read(RECIPE_FILE) == here.read(RECIPE_FILE)
    assert there.read(RECIPE_FILE).startswith(f"# digest {recipe.digest}\n".encode())
    write_recipe(there, recipe)  # what a driver does there finds its own
