"""`launcher prepare` as a user has it."""

import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.command import Bench, the_one_line
from tests.e2e.conftest import SMALL

WORDS = ["prepare", "small.yaml", "--to", "data", "--shard-size", "20000"]


@pytest.fixture(scope="module")
def said(bench: Bench) -> str:
    """What it says of a recipe that makes its tokenizer itself."""
    ended = bench.launcher(*WORDS)
    assert ended.code == 0, ended.err
    return ended.out


def test_it_says_what_it_made(bench: Bench, said: str) -> None:
    manifest = json.loads((bench.folder / "data" / "manifest.json").read_text())
    totals = manifest["totals"]
    assert f"documents {totals['documents']:,} of {totals['tokens']:,} tokens" in said
    assert f"shards    {len(manifest['shards'])} with {totals['blocks']} blocks" in said
    assert f"data set  {bench.folder / 'data'}" in said
    assert "already" not in said
    assert len(manifest["shards"]) > 2


def test_what_is_prepared_already_is_not_made_again(bench: Bench, said: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in (bench.folder / "data").rglob("*.*")}
    again = bench.launcher(*WORDS)
    assert again.code == 0, again.err
    assert f"already prepared in {bench.folder / 'data'}" in again.out
    assert again.out.splitlines()[-4:-1] == said.splitlines()[-4:-1]
    assert {path: path.stat().st_mtime_ns for path in (bench.folder / "data").rglob("*.*")} == before


@pytest.mark.usefixtures("said")
def test_a_folder_that_holds_another_data_set_is_refused(bench: Bench) -> None:
    told = the_one_line(bench.launcher(*WORDS, "training.max_length=95"), 2)
    assert "holds another data set" in told
    assert "give another folder" in told


@pytest.mark.usefixtures("said")
def test_a_damaged_manifest_is_refused(bench: Bench) -> None:
    damaged = bench.folder / "damaged" / "manifest.json"
    damaged.parent.mkdir()
    damaged.write_bytes((bench.folder / "data" / "manifest.json").read_bytes()[:-10])
    told = the_one_line(bench.launcher("prepare", "small.yaml", "--to", "damaged"), 2)
    assert f"{damaged} is damaged" in told


def test_an_empty_document_is_told_by_its_row_and_nothing_is_written(bench: Bench, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a cat"}\n{"text": "  "}\n{"text": "a dog"}\n')
    recipe = SMALL | {
        "task": {"kind": "text"},
        "data": {"train": {"kind": "jsonl", "url": str(rows)}, "split": {"test_per_class": 1}},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    told = the_one_line(bench.launcher("prepare", str(tmp_path / "recipe.yaml"), "--to", str(tmp_path / "out")), 2)
    assert "data.train: row 2: nothing to read in 'text'" in told
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--to", "memory://data"], "ends with the process"), (["--to", "x", "--shard-size", "0"], "--shard-size")],
)
def test_a_place_or_size_that_cannot_be_is_refused(bench: Bench, words: list[str], told: str) -> None:
    assert told in the_one_line(bench.launcher("prepare", "small.yaml", *words), 2)
