"""One recipe on every backend: the command, the recipe's digest and the run directory are the same."""

import shlex
from typing import Any

import pytest

from launcher.backends.backend import backend_of
from launcher.backends.submission import Submission
from launcher.cluster.profile import KINDS
from launcher.recipe.recipe import Recipe
from tests.backends.kubernetes.submissions import RECIPE

STORAGE = "s3://bucket/runs"
PROFILES: dict[str, dict[str, Any]] = {
    "slurm": {"time": "1:00:00"},
    "kubernetes": {"image": "registry.example.com/llama-launcher:0.1.0"},
    "ray": {"address": "http://head:8265"},
}
COMMAND = "run s3://bucket/runs/moods-1/recipe.yaml --cluster s3://bucket/runs/moods-1/profile-1.yaml --run-id moods-1"


@pytest.mark.parametrize("kind", PROFILES)
def test_every_backend_renders_the_same_training_command(kind):
    profile = KINDS[kind].model_validate({"backend": kind, "storage": STORAGE, "nodes": 2, **PROFILES[kind]})
    submission = Submission("moods-1", f"{STORAGE}/moods-1", Recipe.model_validate(RECIPE), profile, number=1)
    assert shlex.join(submission.arguments) == COMMAND
    text = backend_of(profile).render(submission)
    assert COMMAND in " ".join(text.split())
