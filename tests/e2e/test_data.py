"""Training data as a user has them: packed, prepared, mixed, in object storage, damaged."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.command import Bench, the_one_line
from tests.faults.s3 import KEYS, client, new_bucket, s3_server

PACKED: dict[str, Any] = {
    "name": "packed",
    "model": {"kind": "scratch", "vocab_size": 320, "max_position_embeddings": 128},
    "method": {"kind": "full"},
    "task": {"kind": "text"},
    "data": {
        "train": {"kind": "jsonl", "url": "verses.jsonl"},
        "split": {"test_per_class": 10},
    },
    "strategy": {"kind": "ddp"},
    "training": {
        "packing": True,
        "max_length": 128,
        "global_batch_size": 8,
        "per_device_train_batch_size": 2,
        "learning_rate": 3e-3,
    },
}


@pytest.fixture(scope="module")
def verses(bench: Bench, shared: Path) -> Bench:
    """A folder with texts of every length, and recipes that train on them."""
    texts = (shared / "data" / "tinyshakespeare" / "input.txt").read_text().split("\n\n")[:600]
    rows = [json.dumps({"text": text}) for text in texts]
    (bench.folder / "verses.jsonl").write_text("\n".join(rows))
    (bench.folder / "held-out.jsonl").write_text("\n".join(rows[:10]))
    (bench.folder / "packed.yaml").write_text(yaml.safe_dump(PACKED))
    return bench


def losses(bench: Bench, run: str) -> list[float]:
    events = [
        json.loads(line)
        for path in sorted(bench.runs.glob(f"{run}/events/*"))
        for line in path.read_text().splitlines()
    ]
    return [event["loss"] for event in events if event["kind"] == "step"]


@pytest.fixture(scope="module")
def packed(verses: Bench) -> str:
    ended = verses.launcher("run", "packed.yaml", "--run-id", "packed")
    assert ended.code == 0, ended.err
    return ended.out


def test_texts_are_packed_and_learnt(verses: Bench, packed: str) -> None:
    seen = losses(verses, "packed")
    assert seen[-1] < seen[0] - 1
    assert "steps     known once packs are counted (1 epochs)" in packed
    (manifest,) = verses.runs.glob("datasets/*/manifest.json")
    totals = json.loads(manifest.read_text())["totals"]
    assert f"texts     {totals['documents']:,} of {totals['tokens']:,} tokens in {manifest.parent}" in packed
    # nothing is padded but the end of each pack and of the epoch
    assert totals["tokens"] / 128 / 8 <= len(seen) < 1.05 * totals["tokens"] / 128 / 8 + 1


@pytest.mark.usefixtures("packed")
@pytest.mark.slow
def test_a_second_run_finds_the_data_prepared_and_takes_the_same_steps(verses: Bench) -> None:
    ended = verses.launcher("run", "packed.yaml", "training.max_steps=3", "--run-id", "second")
    assert ended.code == 0, ended.err
    assert "encoding" not in ended.out
    assert losses(verses, "second")[0] == losses(verses, "packed")[0]


@pytest.fixture(scope="module")
def s3(verses: Bench) -> Iterator[dict[str, str]]:
    """The environment of an S3 server and, as STORE, a bucket in it."""
    with s3_server() as endpoint:
        yield {"AWS_ENDPOINT_URL": endpoint, **KEYS, "STORE": f"s3://{new_bucket(endpoint)}"}


def mixture(store: str, **data: Any) -> dict[str, Any]:
    """A prepared data set and rows, two to one."""
    sources = {
        "prepared": {"source": {"kind": "prepared", "url": f"{store}/prepared"}, "weight": 2},
        "rows": {"source": {"kind": "jsonl", "url": "verses.jsonl"}, "weight": 1},
    }
    held_out = {"kind": "jsonl", "url": "held-out.jsonl"}
    return PACKED | {
        "model": {"kind": "pretrained", "name_or_path": "runs/packed/model"},
        "data": {"train": {"kind": "mixture", "sources": sources}, "test": held_out, **data},
        "training": PACKED["training"] | {"max_steps": 12},
    }


@pytest.mark.usefixtures("packed")
@pytest.mark.slow
def test_a_mixture_in_object_storage_is_trained_on_and_goes_on_without_what_is_damaged(
    verses: Bench, s3: dict[str, str]
) -> None:
    store = s3["STORE"]
    for name, data in (("mixed", {}), ("stop", {}), ("quarantine", {"corrupt_blocks": "quarantine"})):
        (verses.folder / f"{name}.yaml").write_text(yaml.safe_dump(mixture(store, **data)))
    prepare = yaml.safe_dump(PACKED | {"model": {"kind": "pretrained", "name_or_path": "runs/packed/model"}})
    (verses.folder / "prepare.yaml").write_text(prepare)
    words = ["prepare", "prepare.yaml", "--to", f"{store}/prepared", "--shard-size", "20000"]
    made = verses.launcher(*words, environment=s3)
    assert made.code == 0, made.err

    def run(name: str) -> Any:
        folders = [f"cluster.storage={store}/runs", f"cluster.cache_folder={verses.folder}/cache-{name}"]
        return verses.launcher("run", f"{name}.yaml", "--run-id", name, *folders, environment=s3)

    whole = run("mixed")
    assert whole.code == 0, whole.err
    assert list((verses.folder / "cache-mixed" / "blocks" / "blocks").rglob("*"))

    bucket, s3_client = store.removeprefix("s3://"), client(s3["AWS_ENDPOINT_URL"])
    listed = json.loads(s3_client.get_object(Bucket=bucket, Key="prepared/manifest.json")["Body"].read())
    shard = f"prepared/{listed['shards'][1]['name']}"
    data = bytearray(s3_client.get_object(Bucket=bucket, Key=shard)["Body"].read())
    data[len(data) // 2] ^= 1
    s3_client.put_object(Bucket=bucket, Key=shard, Body=bytes(data))

    told = the_one_line(run("stop"), 1)
    assert f"{store}/{shard}, block " in told
    assert "is corrupt: its checksum differs" in told
    left = run("quarantine")
    assert left.code == 0, left.err
    assert "left out  block " in left.out
