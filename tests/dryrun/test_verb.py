"""`launcher run --dry-run` where it ends early: in one line a cause and its mend, and nothing is left."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher.cli import main
from tests.e2e.command import told
from tests.small import SMALL

Dry = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def dry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Dry:
    """A dry run in this process: its exit code and lines; what was there before is there after, and nothing else."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, list[str]]:
        before = sorted(tmp_path.rglob("*"))
        code = main(["run", *words, "--dry-run"])
        assert sorted(tmp_path.rglob("*")) == before
        said = capsys.readouterr()
        return code, (said.out or "\n".join(told(said.err))).splitlines()

    return call


def recipe(path: Path, **sections: Any) -> str:
    path.write_text(yaml.safe_dump({**SMALL, **sections}))
    return str(path)


@pytest.mark.parametrize("flag", [("--run-id", "mine"), ("--takeover",), ("--allow-recipe-change", "training")])
def test_flags_that_mean_a_real_run_are_refused(flag: tuple[str, ...], dry: Dry, tmp_path: Path) -> None:
    code, lines = dry(recipe(tmp_path / "small.yaml"), *flag)
    assert (code, lines) == (2, [f"{flag[0]}: a dry run is a run of its own, which touches no other; leave it out"])


def test_storage_that_cannot_be_written_ends_it_before_anything_is_started(dry: Dry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    code, lines = dry(recipe(tmp_path / "small.yaml"), f"cluster.storage={tmp_path}/file/runs")
    assert code == 2
    (cross,) = [line for line in lines if line.startswith("✗")]
    assert cross.startswith("✗ storage ")
    assert "cannot be written: " in cross
    assert "; give a folder or bucket that you may write to" in cross
    assert lines[-1].startswith("failed after ")


def test_a_label_that_the_recipe_does_not_know_is_found_in_the_rows(dry: Dry, tmp_path: Path) -> None:
    rows = [{"text": f"row {number}", "label": "odd"} for number in range(9)]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    data = {"train": {"kind": "jsonl", "url": "rows.jsonl"}, "split": {"test_per_class": 1}}
    code, lines = dry(recipe(tmp_path / "small.yaml", data=data))
    assert code == 2
    (cross,) = [line for line in lines if line.startswith("✗")]
    assert "label 'odd' is not among negative, neutral, positive; map it under data.labels" in cross


def slurm(tmp_path: Path, **fields: Any) -> str:
    profile = {"backend": "slurm", "time": "10", "cpus_per_node": 4, "storage": "runs", "folder": "jobs", **fields}
    (tmp_path / "slurm.yaml").write_text(yaml.safe_dump(profile))
    return str(tmp_path / "slurm.yaml")


def test_what_does_not_fit_the_profiles_machines_is_a_cross_with_exit_code_3(dry: Dry, tmp_path: Path) -> None:
    llama = {"kind": "pretrained", "name_or_path": "meta-llama/Llama-2-7b-hf"}
    profile = slurm(tmp_path, gpus_per_node=1, accelerator="L4")
    code, lines = dry(recipe(tmp_path / "small.yaml", model=llama), "--cluster", profile)
    assert code == 3, lines
    (cross,) = [line for line in lines if line.startswith("✗")]
    assert cross.startswith("✗ submit ")
    assert "does not fit" in cross


def test_what_cannot_be_rendered_for_the_profile_is_a_cross_in_its_own_words(dry: Dry, tmp_path: Path) -> None:
    # On storage that takes writes, so that the submission is what fails
    profile = {"backend": "kubernetes", "image": "launcher:1", "cpus_per_node": 2, "storage": str(tmp_path / "runs")}
    (tmp_path / "kube.yaml").write_text(yaml.safe_dump(profile))
    code, lines = dry(recipe(tmp_path / "small.yaml"), "--cluster", str(tmp_path / "kube.yaml"))
    assert code == 2
    (cross,) = [line for line in lines if line.startswith("✗")]
    assert cross.startswith("✗ submit ")
    assert "pods do not see this machine's disks; give a URL such as s3://bucket/folder" in cross


def test_test_rows_among_those_to_train_on_are_found_with_exit_code_3_as_by_a_plan(dry: Dry, tmp_path: Path) -> None:
    rows = [
        {"text": f"row {number} of many", "label": ("negative", "neutral", "positive")[number % 3]}
        for number in range(60)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    source = {"kind": "jsonl", "url": "rows.jsonl"}
    data = {"train": source, "test": dict(source), "deduplicate": False}
    code, lines = dry(recipe(tmp_path / "small.yaml", data=data))
    assert code == 3, lines
    (cross,) = [line for line in lines if line.startswith("✗")]
    assert cross.startswith("✗ data ")
    assert "test in train: 60 of 60 (100.0%) rows stand in data.train too" in cross
    assert "take them out of data.train" in cross
