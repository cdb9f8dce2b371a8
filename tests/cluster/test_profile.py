"""Cluster profiles."""

from pathlib import Path

import pytest

from launcher.cluster.load import load_profile, split_overrides
from launcher.cluster.profile import Local
from launcher.recipe.problem import RecipeError


def told(reference: str | None, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load_profile(reference, overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("reference", [None, "local", "local.yaml", "cluster/local.yaml"])
def test_the_shipped_profile_is_the_default(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_profile(reference) == Local(backend="local")


def test_overrides_are_typed_by_the_schema():
    profile = load_profile(None, ["cluster.workers=3", "cluster.accelerator=cpu", "cluster.storage=7"])
    assert profile == Local(backend="local", workers=3, accelerator="cpu", storage="7")
    assert load_profile(None, ["workers=3"]).workers == 3


def test_a_profile_extends_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text("backend: local\nworkers: 4\nstorage: s3://bucket/runs\n")
    Path("mine.yaml").write_text("extends: base.yaml\nworkers: 1\n")
    assert load_profile("mine.yaml") == Local(backend="local", workers=1, storage="s3://bucket/runs")


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("backend: lokal\nworker: 1\naccelerator: tpu\n")
    assert told("mine.yaml", "cluster.workers=0", "cluster.nodes=3") == [
        "mine.yaml:1:1: backend: expected 'local', found 'lokal'; did you mean local?",
        "mine.yaml:2:1: worker: unknown key; did you mean workers?",
        "mine.yaml:3:1: accelerator: expected 'auto', 'cpu' or 'gpu', found 'tpu'; did you mean gpu?",
        "override 'cluster.nodes=3': nodes: unknown key",
        "override 'cluster.workers=0': workers: expected a number greater than 0, found 0",
    ]


def test_an_unknown_profile_is_told_with_the_nearest_name():
    assert told("locl") == ["locl: no such file, and nothing of that name in the shipped cluster/; did you mean local?"]


def test_overrides_that_begin_with_cluster_belong_to_the_profile():
    given = ["training.seed=1", "cluster.workers=2", "name=cluster.x", "cluster.storage=a=b"]
    assert split_overrides(given) == (
        ["training.seed=1", "name=cluster.x"],
        ["cluster.workers=2", "cluster.storage=a=b"],
    )
