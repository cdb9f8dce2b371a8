"""What a user gets wrong ends in one line that says what to mend, with exit code 2 and nothing written."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher.cli import main
from launcher.cluster.machine import this_machine
from tests.e2e.command import Bench, Ended, the_one_line, told
from tests.small import SMALL

Refused = Callable[..., list[str]]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a verb in this process; returns its error's lines once nothing was seen to be written."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, verb: str = "run") -> list[str]:
        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        code = main([verb, *words])
        assert code == 2
        lines = told(capsys.readouterr().err)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
        return list(lines)

    return call


def recipe(path: Path, **sections: Any) -> str:
    path.write_text(yaml.safe_dump({**SMALL, **sections}))
    return str(path)


BAD_FILES = {
    "an unknown key": ("name: x\ntrainin: {}\n", "trainin"),
    "a value of another type": ("name: x\ntraining: {learning_rate: fast}\n", "training.learning_rate"),
    "two keys that contradict each other": ("training: {warmup_ratio: 0.1, warmup_steps: 5}\n", "contradict"),
    "no YAML": ("name: [x\n", "not YAML"),
    "nothing": ("", "the file is empty"),
    "a list": ("- name\n", "the file holds a list"),
    "a duplicate key": ("name: x\nname: y\n", "duplicate key"),
    "tabs": ("training:\n\tseed: 1\n", "tab as indentation"),
    "a Python object": ("name: !!python/object/apply:os.mkdir [pwned]\n", "is not read"),
}


@pytest.mark.parametrize("what", BAD_FILES)
@pytest.mark.parametrize("verb", ["validate", "plan", "run"])
def test_a_recipe_file_that_holds_something_else_is_refused_at_its_line(
    what: str, verb: str, tmp_path: Path, refused: Refused
) -> None:
    content, told_of_it = BAD_FILES[what]
    (tmp_path / "bad.yaml").write_text(content)
    line = next(line for line in refused("bad.yaml", verb=verb) if told_of_it in line)
    assert line.startswith("bad.yaml:")


def test_a_file_of_100_megabytes_is_refused_unread(tmp_path: Path, refused: Refused) -> None:
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(100 << 20)
    (line,) = refused("large.yaml")
    assert "104857600 bytes" in line


def test_all_errors_of_a_file_are_told_at_once(tmp_path: Path, refused: Refused) -> None:
    training = {"learning_rate": "fast", "max_length": 0, "sed": 1}
    data = {**SMALL["data"], "split": {"train_per_class": 1, "test_per_class": 1}}
    lines = refused(recipe(tmp_path / "many.yaml", training=training, data=data, strategy={"kind": "dpp"}))
    named = ("strategy.kind", "training.learning_rate", "training.max_length", "training.sed", "either test")
    assert all(any(name in line for line in lines) for name in named), lines
    assert len(lines) == len(named)


@pytest.mark.parametrize(
    ("override", "told_of_it"),
    [
        ("training.learning_rat=1", "learning_rate"),
        ("model.kind.deeper=1", "model.kind"),
        ("cluster.bucket=runs", "bucket"),
        ("cluster.workers=64", "64 workers do not fit"),
        ("cluster.storage=memory://runs", "ends with the process"),
        ("cluster.storage=", "cluster.storage"),
        ("cluster.storage=nosuch://runs", "nosuch"),
    ],
)
def test_an_override_that_cannot_be_is_refused(
    override: str, told_of_it: str, tmp_path: Path, refused: Refused
) -> None:
    (line,) = refused(recipe(tmp_path / "small.yaml"), override)
    assert told_of_it in line


@pytest.mark.parametrize(
    ("sections", "verbs", "told_of_it"),
    [
        (
            {"strategy": {"kind": "deepspeed", "zero_stage": 2, "offload_param": True}},
            ("validate", "run"),
            "use zero_stage 3, or offload_param: false",
        ),
        ({"training": {"optim": "paged_adamw_32bit"}}, ("plan", "run"), "on CPU use adamw_torch_fused"),
        ({"training": {"eval_strategy": "epoch"}}, ("validate", "run"), "there are no validation rows to evaluate on"),
    ],
)
def test_a_combination_that_cannot_be_is_refused_with_its_mend(
    sections: dict[str, Any], verbs: tuple[str, ...], told_of_it: str, tmp_path: Path, refused: Refused
) -> None:
    for verb in verbs:
        (line,) = refused(recipe(tmp_path / "impossible.yaml", **sections), verb=verb)
        assert told_of_it in line


def test_a_precision_that_the_cpu_lacks_is_refused(tmp_path: Path, refused: Refused) -> None:
    half = recipe(tmp_path / "half.yaml", training={"precision": "fp16", "max_length": 96})
    if this_machine().cpu_fp16:
        assert main(["plan", half]) == 0
    else:
        (line,) = refused(half, verb="plan")
        assert line == "training.precision: this machine's CPUs do not compute in fp16; say bf16 or fp32"


@pytest.mark.parametrize("run_id", ["", "..", "a/b", "-x", "a b", "ü", "x" * 200])
def test_a_run_id_that_is_no_name_is_refused(run_id: str, tmp_path: Path, refused: Refused) -> None:
    (line,) = refused(recipe(tmp_path / "small.yaml"), f"--run-id={run_id}")
    assert line.startswith("--run-id: ")


BAD_ROWS = {
    "is missing": (None, {}, "rows.csv: no such file"),
    "is empty": (b"", {}, "rows.csv: no rows"),
    "holds a header alone": (b"text,label\n", {}, "rows.csv: no rows"),
    "has another encoding": ("text,label\ncaf\xe9,positive\n".encode("latin-1"), {}, "rows.csv:2: byte 0xe9"),
    "has an encoding that nobody knows": (b"text,label\nx,positive\n", {"encoding": "utf-9"}, "utf-9"),
    "has a ragged row": (b"text,label\na,positive\nb\n", {}, "rows.csv:3: 1 cells where 2"),
    "has no such column": (b"words,mood\na,positive\n", {}, "no column 'text'"),
    "has a label that is not in the map": (b"text,label\na,elated\n", {}, "row 1: label 'elated'"),
    "has fewer rows of a class than asked for": (
        b"text,label\na,positive\nb,neutral\nc,negative\n",
        {},
        "class 'negative' has 1 rows to draw from, but 2 + 1",
    ),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_data_file_is_refused_that(what: str, tmp_path: Path, refused: Refused) -> None:
    content, options, told_of_it = BAD_ROWS[what]
    if content is not None:
        (tmp_path / "rows.csv").write_bytes(content)
    train = {"kind": "csv", "url": "rows.csv", **options}
    data = {"train": train, "split": {"train_per_class": 2, "test_per_class": 1}}
    (line,) = refused(recipe(tmp_path / "rows.yaml", data=data))
    assert told_of_it in line


@pytest.fixture
def narrow(tmp_path: Path, stories: Path) -> str:
    """A real Llama whose embedding is said to be smaller than its tokenizer."""
    folder = tmp_path / "narrow"
    shutil.copytree(stories, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 300}))
    return recipe(tmp_path / "narrow.yaml", model={"kind": "pretrained", "name_or_path": str(folder)})


def test_a_vocabulary_that_is_larger_than_the_embedding_is_refused(narrow: str, refused: Refused) -> None:
    (line,) = refused(narrow)
    assert "the tokenizer needs 512 rows but the embedding has 300" in line


@pytest.mark.parametrize("root", ["file", "file/below", "/proc/no-such-place"])
def test_a_storage_root_that_cannot_be_written_is_refused(root: str, tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "file").write_text("no folder")
    (line,) = refused(recipe(tmp_path / "small.yaml"), f"cluster.storage={root}")
    assert "cannot be written" in line


@pytest.mark.parametrize(
    ("words", "told_of_it"),
    [
        (("validate", "no-such-recipe"), "no such file"),
        (("run", "small.yaml", "training.max_stepz=1"), "max_steps"),
        (("run", "small.yaml", "data.test.kind=csv", "data.test={kind: csv, url: gone.csv}"), "gone.csv: no such file"),
        (("run", "small.yaml", "cluster.storage=small.yaml"), "cannot be written"),
        (("predict", "no-such-run", "text"), "no run directory"),
    ],
)
def test_a_process_of_its_own_says_the_same(words: tuple[str, ...], told_of_it: str, bench: Bench) -> None:
    ended: Ended = bench.launcher(*words)
    assert told_of_it in the_one_line(ended, code=2)
    assert not bench.runs.exists()
