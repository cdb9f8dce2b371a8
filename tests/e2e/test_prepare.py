"""`launcher prepare` as a user has it."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
import yaml

from tests.e2e.command import Bench, Ended, the_one_line
from tests.small import SMALL

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


def verified(bench: Bench, folder: str, *words: str) -> Ended:
    return bench.launcher("prepare", "small.yaml", "--to", folder, "--verify", *words)


def copy_of_data(bench: Bench, folder: Path) -> Path:
    shutil.copytree(bench.folder / "data", folder)
    return folder


def test_what_is_prepared_is_verified_to_its_last_byte(bench: Bench, said: str) -> None:
    ended = verified(bench, "data")
    assert ended.code == 0, ended.err
    assert "every byte is as the manifest says" in ended.out
    assert ended.out.splitlines()[-4:] == said.splitlines()[-4:]


@pytest.mark.usefixtures("said")
def test_a_flipped_bit_is_found_and_told_with_both_checksums(bench: Bench, tmp_path: Path) -> None:
    folder = copy_of_data(bench, tmp_path / "data")
    shard = sorted((folder / "shards").glob("*.arrow"))[-1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    listed = json.loads((folder / "manifest.json").read_text())["shards"][-1]
    told = the_one_line(verified(bench, str(folder)), 2)
    assert told.startswith(f"{shard} has the checksum {xxhash.xxh3_128_hexdigest(data)}, ")
    assert f"and the manifest says {listed['xxh3_128']}; " in told


@pytest.mark.usefixtures("said")
def test_a_data_set_of_another_tokenizer_is_refused_with_both_fingerprints(bench: Bench) -> None:
    manifest = json.loads((bench.folder / "data" / "manifest.json").read_text())
    told = the_one_line(verified(bench, "data", "model.vocab_size=300"), 2)
    assert f"was made with the tokenizer {manifest['tokenizer']}, and the model's is " in told


def test_what_was_never_prepared_is_told_and_nothing_is_written(bench: Bench) -> None:
    assert "was not finished, or not begun" in the_one_line(verified(bench, "nowhere"), 2)
    assert not (bench.folder / "nowhere").exists()


def test_parquet_of_token_ids_is_indexed_in_place_and_verified(bench: Bench, tmp_path: Path) -> None:
    for number in range(3):
        table = pa.table({"input_ids": [[row, number, 5] for row in range(90)]})
        pq.write_table(table, tmp_path / f"part-{number}.parquet", row_group_size=40)
    words = ["prepare", "small.yaml", "--to", str(tmp_path), "--index"]
    first, again = bench.launcher(*words), bench.launcher(*words)
    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert "documents 270 of 810 tokens" in first.out
    assert "shards    3 with 9 blocks" in first.out
    assert again.out.splitlines()[-4:] == first.out.splitlines()[-4:]
    ended = verified(bench, str(tmp_path))
    assert ended.code == 0, ended.err
    assert ended.out.splitlines()[-4:] == first.out.splitlines()[-4:]


def test_parquet_of_another_tokenizer_s_ids_is_refused(bench: Bench, tmp_path: Path) -> None:
    pq.write_table(pa.table({"input_ids": [[5, 40_000]]}), tmp_path / "a.parquet")
    told = the_one_line(bench.launcher("prepare", "small.yaml", "--to", str(tmp_path), "--index"), 2)
    assert "a.parquet, row group 0: ids from 5 to 40000 are not all among the tokenizer's 320" in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"kind": "prepared", "url": "data"}, "data.train: is prepared already; "),
        (
            {"kind": "mixture", "sources": {name: {"source": SMALL["data"]["train"], "weight": 1.0} for name in "ab"}},
            "data.train: each source of a mixture is a data set of its own; ",
        ),
    ],
)
def test_what_is_no_source_of_rows_is_refused(bench: Bench, tmp_path: Path, train: object, told: str) -> None:
    model = {"kind": "pretrained", "name_or_path": str(bench.shared / "models" / "stories260k")}
    recipe = SMALL | {"model": model, "data": SMALL["data"] | {"train": train}, "evaluation": {"classical": False}}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))  # which is YAML, without aliases
    words = ["prepare", str(tmp_path / "recipe.yaml"), "--to", str(tmp_path / "out")]
    assert the_one_line(bench.launcher(*words), 2).startswith(told)


def test_one_thing_is_asked_of_prepare_at_a_time(bench: Bench) -> None:
    ended = bench.launcher("prepare", "small.yaml", "--to", "data", "--verify", "--index")
    assert ended.code == 2
    assert "not allowed with argument" in ended.err


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
