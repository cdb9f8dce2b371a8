"""Words that a shell takes apart, in every value of a profile: refused with the field, or passed on as they are."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from launcher.backends.backend import backend_of
from launcher.backends.submission import Submission
from launcher.cluster.load import load_profile
from launcher.cluster.profile import KINDS
from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe
from launcher.recipe.section import Section
from tests.backends.kubernetes.submissions import RECIPE

MANY_NODES: dict[str, Any] = {
    "storage": "s3://bucket/runs",
    "cache_folder": "/cache",
    "accelerator": "H100",
    "environment": {"MOOD": "good"},
    "secrets": ["HF_TOKEN"],
}
FULL: dict[str, dict[str, Any]] = {
    "kubernetes": {
        "image": "registry.example.com/llama-launcher:0.1.0",
        "namespace": "research",
        "context": "production",
        "wheel": "https://example.com/it.whl",
        "gpu_resource": "nvidia.com/gpu",
        "rdma": {"resource": "rdma/hca"},
        "node_selector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "value": "yes"}],
        "exclude_hosts": ["gpu-17"],
        "head": {"node_selector": {"pool": "cpu"}, "tolerations": [{"key": "cpu", "value": "yes"}]},
        "kueue": {"queue": "training", "priority_class": "high"},
        "volcano": {"queue": "training"},
        "priority_class": "high",
        "service_account": "trainer",
        "image_pull_secrets": ["registry"],
        "secret": "mine",
        "volumes": [{"mount": "/data", "claim": "data"}, {"mount": "/disk", "host_path": "/mnt/disk"}],
        "labels": {"team": "research"},
        "annotations": {"contact": "me"},
    },
    "ray": {"address": "http://head:8265", "working_dir": "work", "excludes": ["data"], "python": "python3"},
}
"""Every text that a profile may have, but for keys; queues exclude each other, so one of both is tried at a time."""
STRANGE = ("$(id)", "${HOME}", "it's", 'say "so"', "two\nlines", "`id`", "a; rm -rf /", "\x00")
COMMANDS = ("entrypoint", "command", "args")


def texts(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all values that are text."""
    if isinstance(part, str):
        yield path
    elif isinstance(part, dict | list):
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from texts(value, (*path, key))


CASES = [(kind, path) for kind, fields in FULL.items() for path in texts(fields | MANY_NODES)]


@pytest.mark.parametrize(("kind", "path"), CASES, ids=[f"{kind}-{'.'.join(map(str, path))}" for kind, path in CASES])
def test_a_strange_word_is_refused_with_its_field_or_arrives_as_it_is(kind, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    field = ".".join(map(str, path))
    for word in STRANGE:
        refused, rendered = outcome(with_value(kind, path, word), tmp_path)
        if refused is not None:
            assert field.split(".")[0] in refused, (word, refused)
            assert "\n" not in refused
            continue
        assert "\n" not in word
        assert not any(word in text for text in said_to_run(rendered)), (word, rendered)
        found = [leaf for leaf in leaves(rendered) if word in leaf.replace("$$", "$")]
        assert all(leaf in (word, word.replace("$", "$$")) for leaf in found), found


@pytest.mark.parametrize("kind", FULL)
def test_no_text_of_a_profile_is_left_out_of_these_tests(kind):
    tried = {tuple(step for step in path if isinstance(step, str)) for _, path in CASES if _ == kind}
    assert {*fields_of(KINDS[kind])} - {("backend",), ("resources",)} <= {*prefixes(tried)}


@pytest.mark.parametrize("kind", FULL)
@pytest.mark.parametrize("word", STRANGE)
def test_a_strange_run_id_is_refused(kind, word):
    profile = KINDS[kind].model_validate({"backend": kind, **without_volcano(FULL[kind]), **MANY_NODES})
    with pytest.raises(InvalidInput, match=r"^--run-id: "):
        backend_of(profile).render(
            Submission(word, f"{profile.storage}/{word}", Recipe.model_validate(RECIPE), profile, number=1)
        )


def with_value(kind: str, path: tuple[Any, ...], word: str) -> dict[str, Any]:
    fields = copy.deepcopy(FULL[kind] | MANY_NODES)
    fields.pop("kueue" if path[0] == "volcano" else "volcano", None)
    part = fields
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = word
    return {"backend": kind, **fields}


def without_volcano(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != "volcano"}


def outcome(fields: dict[str, Any], folder: Path) -> tuple[str | None, Any]:
    """What was refused, or what was rendered."""
    (folder / "profile.yaml").write_text(yaml.safe_dump(fields))
    (folder / "work").mkdir(exist_ok=True)
    try:
        profile = load_profile(str(folder / "profile.yaml"))
        made = Submission("moods-1", f"{profile.storage}/moods-1", Recipe.model_validate(RECIPE), profile, number=1)
        return None, yaml.safe_load(backend_of(profile).render(made))
    except InvalidInput as error:
        return str(error), None


def leaves(part: Any) -> Iterator[str]:
    """Every text of a document, keys too."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from part
        for value in part.values():
            yield from leaves(value)
    elif isinstance(part, list):
        for value in part:
            yield from leaves(value)


def said_to_run(part: Any) -> Iterator[str]:
    """Every text that a shell, or Kubernetes with its own `$(NAME)`, would look into."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from leaves(value) if key in COMMANDS else said_to_run(value)
    elif isinstance(part, list):
        for value in part:
            yield from said_to_run(value)


def fields_of(section: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all fields of a schema that hold text anywhere."""
    for name, field in section.model_fields.items():
        for kind in kinds(field.annotation):
            if kind is str:
                yield (*above, name)
            elif isinstance(kind, type) and issubclass(kind, Section):
                yield from fields_of(kind, (*above, name))


def kinds(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is None:
        yield annotation
    for inner in get_args(annotation):
        yield from kinds(inner)


def prefixes(paths: set[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    for path in paths:
        yield from (path[:depth] for depth in range(1, len(path) + 1))
