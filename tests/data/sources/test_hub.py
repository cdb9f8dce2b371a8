import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from launcher.data.sources.read import iter_rows, read_rows
from launcher.recipe.data import HuggingFace, Source

Refused = Callable[[Source], str]

TRAIN = [{"text": "up", "label": 1, "tags": ["a"]}, {"text": None, "label": 0, "tags": []}]
TEST = [{"text": "down", "label": 0, "tags": []}]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the library keeps what it fetched."""
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A data set laid out as on the hub, with the splits train and test."""
    path = tmp_path / "moods"
    path.mkdir()
    for name, rows in {"train": TRAIN, "test": TEST}.items():
        (path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def source(dataset: str, split: str = "train", **options: Any) -> HuggingFace:
    return HuggingFace(kind="huggingface", dataset=dataset, split=split, **options)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_split_is_read_as_it_is_stored(folder: str, streaming: bool) -> None:
    assert read_rows(source(folder, streaming=streaming)) == TRAIN
    assert read_rows(source(folder, "test", streaming=streaming)) == TEST


def test_a_part_of_a_split_is_read(folder: str) -> None:
    assert read_rows(source(folder, "train[1:]")) == TRAIN[1:]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_subset_is_chosen_by_its_name(tmp_path: Path, streaming: bool) -> None:
    for name in ("easy", "hard"):
        (tmp_path / "sets" / name).mkdir(parents=True)
        (tmp_path / "sets" / name / "train.csv").write_text(f"text\n{name}\n")
    subsets = "".join(f"- config_name: {name}\n  data_files: {name}/*.csv\n" for name in ("easy", "hard"))
    (tmp_path / "sets" / "README.md").write_text(f"---\nconfigs:\n{subsets}---\n")
    path = str(tmp_path / "sets")
    assert read_rows(source(path, subset="hard", streaming=streaming)) == [{"text": "hard"}]


def test_a_class_label_is_its_number_and_an_image_is_not_opened(tmp_path: Path) -> None:
    features = datasets.Features({"label": datasets.ClassLabel(names=["no", "yes"]), "image": datasets.Image()})
    rows = {"label": [1], "image": [{"bytes": b"no image", "path": None}]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "train.parquet")
    assert [row["label"] for row in iter_rows(source(str(tmp_path)))] == [1]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(
    ("options", "reason"), [({"split": "dev"}, "split"), ({"subset": "hard"}, "BuilderConfig 'hard' not found")]
)
def test_what_the_set_does_not_have_is_told(
    folder: str, options: dict[str, Any], reason: str, streaming: bool, refused: Refused
) -> None:
    message = refused(source(folder, **{"streaming": streaming, **options}))
    assert message.startswith(f"{folder}: ")
    assert reason in message
    assert message.endswith("; check dataset, revision, subset and split; a private or gated set needs HF_TOKEN")


@pytest.mark.parametrize("streaming", [False, True])
def test_without_the_hub_the_way_around_it_is_told(streaming: bool, refused: Refused) -> None:
    message = refused(source("org/absent", revision="main", streaming=streaming))
    assert message.startswith("org/absent: Couldn't reach 'org/absent' on the Hub")
    assert message.endswith("; without a network, fetch it beforehand and give its folder, or another kind of source")


@pytest.fixture
def fetched(folder: str, cache: Path) -> str:
    """The revision of `org/moods` that lies in the cache, as if it had been fetched from the hub."""
    datasets.load_dataset(folder)
    (cache / "moods").rename(cache / "org___moods")
    (revision,) = (path.name for path in cache.glob("org___moods/*/*/*") if path.is_dir())
    return revision


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.usefixtures("fetched")
def test_a_set_that_was_fetched_before_is_read_without_the_hub(streaming: bool) -> None:
    assert read_rows(source("org/moods", streaming=streaming)) == TRAIN


def test_a_copy_of_another_revision_is_not_taken_for_the_one_asked_for(fetched: str, refused: Refused) -> None:
    assert read_rows(source("org/moods", revision=fetched)) == TRAIN
    assert refused(source("org/moods", revision="main")) == (
        f"org/moods: the hub cannot be reached, and this machine has revision {fetched}, not main; "
        f"say revision: {fetched}, or try again with a network"
    )


@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_file_of_the_set_is_told(tmp_path: Path, streaming: bool, refused: Refused) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "x"}\n{"text":')
    assert refused(source(str(tmp_path), streaming=streaming)).startswith(f"{tmp_path}: JSON parse error: ")


def test_a_split_without_rows_is_refused(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "train.csv").write_text("text\n")
    assert refused(source(str(tmp_path), streaming=True)) == f"{tmp_path}: no rows; name a split that has some"
    assert "corresponds to no data" in refused(source(str(tmp_path)))


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert refused(source("org/name")).endswith("; pip install 'llama-launcher[datasets]'")
