"""Cluster profiles."""

from pathlib import Path

import pytest

from launcher.cluster.load import load_profile, split_overrides
from launcher.cluster.profile import KINDS, Local, Slurm
from launcher.recipe.load import resolved_yaml
from launcher.recipe.problem import RecipeError

EXAMPLES = {"time": "1:00:00", "image": "registry.example/launcher:1"}
"""Of what some kinds ask for."""


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
        "mine.yaml:1:1: backend: expected 'local', 'slurm', 'kubernetes' or 'ray', found 'lokal'; did you mean local?",
        "mine.yaml:2:1: worker: unknown key; did you mean workers?",
        "mine.yaml:3:1: accelerator: expected 'auto', 'cpu' or 'gpu', found 'tpu'; did you mean gpu?",
        "override 'cluster.nodes=3': nodes: unknown key",
        "override 'cluster.workers=0': workers: expected a number greater than 0, found 0",
    ]


@pytest.mark.parametrize(("line", "said"), [("", "missing; "), ("backend: moon\n", ""), ("backend: 7\n", "")])
def test_a_profile_of_no_known_kind_is_told_the_kinds_and_nothing_else(line, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(f"{line}storage: 7\nworker: 1\n")
    (told_line,) = told("mine.yaml")
    assert f"backend: {said}expected 'local', 'slurm', 'kubernetes' or 'ray'" in told_line


def test_mistakes_of_another_kind_are_told_with_its_own_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("backend: slurm\ntime: 1h\npartitoin: gpu\nworkers: 2\n")
    lines = told("mine.yaml", "cluster.nodes=0")
    assert [line.split(": ")[0] for line in lines] == [
        "mine.yaml:2:1",
        "mine.yaml:3:1",
        "mine.yaml:4:1",
        "override 'cluster.nodes=0'",
    ]
    assert "did you mean partition?" in lines[1]


def test_an_override_can_choose_another_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("backend: local\nworkers: 2\n")
    profile = load_profile("mine.yaml", ["cluster.backend=slurm", "cluster.time=30", "cluster.nodes=3"])
    assert profile == Slurm(backend="slurm", time="30", nodes=3)


def test_a_profile_is_read_from_a_url_and_its_mistakes_are_told_there(tmp_path):
    (tmp_path / "mine.yaml").write_text("backend: local\nworkers: 4\n")
    (tmp_path / "wrong.yaml").write_text("backend: local\nworkers: x\n")
    url = f"file://{tmp_path}"
    assert load_profile(f"{url}/mine.yaml") == Local(backend="local", workers=4)
    assert told(f"{url}/wrong.yaml") == [f"{url}/wrong.yaml:2:1: workers: expected a whole number, found 'x'"]
    assert told(f"{url}/absent.yaml")[0].startswith(f"{url}/absent.yaml: cannot be read: ")


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_resolved_profile_loads_back_to_an_equal_one(kind, tmp_path):
    needed = {name: value for name, value in EXAMPLES.items() if name in kind.model_fields}
    backend = next(name for name, each in KINDS.items() if each is kind)
    profile = kind.model_validate(
        {"backend": backend, **needed, "environment": {"A": "1e-4", "B": "yes: # no"}, "storage": "s3://b/r"}
    )
    (tmp_path / "profile-1.yaml").write_text(resolved_yaml(profile))
    assert load_profile(str(tmp_path / "profile-1.yaml")) == profile


def test_an_unknown_profile_is_told_with_the_nearest_name():
    assert told("locl") == ["locl: no such file, and nothing of that name in the shipped cluster/; did you mean local?"]


def test_overrides_that_begin_with_cluster_belong_to_the_profile():
    given = ["training.seed=1", "cluster.workers=2", "name=cluster.x", "cluster.storage=a=b"]
    assert split_overrides(given) == (
        ["training.seed=1", "name=cluster.x"],
        ["cluster.workers=2", "cluster.storage=a=b"],
    )
