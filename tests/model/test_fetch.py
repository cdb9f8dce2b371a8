import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fsspec
import pytest

from launcher.errors import InvalidInput
from launcher.model.config import model_config
from launcher.model.fetch import fetch_model, is_local
from launcher.recipe.model import Pretrained, Scratch


def model(name: str, revision: str | None = None) -> Pretrained:
    return Pretrained(kind="pretrained", name_or_path=name, revision=revision)


def refused(name: str, revision: str | None = None) -> str:
    with pytest.raises(InvalidInput) as caught:
        fetch_model(model(name, revision))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fetched_inode(url: str) -> int:
    """Fetches, and tells which file came of it: a second fetch would make another."""
    return (fetch_model(model(url)) / "config.json").stat().st_ino


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, so that nothing is cached yet."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path, stories: Path) -> Path:
    """A copy of a real model's folder."""
    return Path(shutil.copytree(stories, tmp_path / "source"))


def test_a_local_folder_is_taken_as_it_is(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fetch_model(model(str(source))) == source
    monkeypatch.chdir(source.parent)
    assert fetch_model(model("./source")) == source
    assert fetch_model(model("source")) == source
    monkeypatch.setenv("HOME", str(source.parent))
    assert fetch_model(model("~/source")) == source


def test_a_name_is_local_by_its_first_letter_or_where_its_folder_stands(source: Path) -> None:
    assert [is_local(name) for name in ("./x", "../x", "/x", "~/x", str(source))] == [True] * 5
    assert not is_local("nobody/nothing")


def test_a_folder_that_is_missing_or_holds_no_model_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        expected = f"model.name_or_path: {folder} holds no config.json; give a Hugging Face model folder"
        assert refused(str(folder)) == expected


def test_a_url_is_fetched_whole(home: Path, source: Path) -> None:
    (source / "extra").mkdir()
    (source / "extra" / "more.json").write_text("{}")
    folder = fetch_model(model(f"file://{source}"))
    assert folder.is_relative_to(home)
    copies = [path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file()]
    assert [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()] == copies
    assert all((folder / path).read_bytes() == (source / path).read_bytes() for path in copies)


def test_a_url_of_an_object_store_is_fetched(home: Path, source: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.put(f"{source}/", "/test-fetch/model/", recursive=True)
    try:
        for url in ("memory://test-fetch/model", "memory://test-fetch/model/"):
            assert (fetch_model(model(url)) / "config.json").read_bytes() == (source / "config.json").read_bytes()
    finally:
        fs.rm("/test-fetch", recursive=True)


def test_processes_of_a_node_fetch_once(home: Path, source: Path) -> None:
    url = f"file://{source}"
    for number in range(200):  # enough for the fetches to meet
        (source / f"{number}.json").write_text("{}")
    context = get_context("spawn")
    with ProcessPoolExecutor(4, context, initializer=context.Barrier(4).wait, initargs=(60,)) as pool:
        assert len(set(pool.map(fetched_inode, [url] * 8))) == 1
    fetch_model(model(url))
    (cache,) = home.rglob("models")
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


def test_another_model_at_the_same_url_is_fetched_anew(home: Path, source: Path) -> None:
    url = f"file://{source}"
    first = fetch_model(model(url))
    (source / "config.json").write_text('{"model_type": "other", "vocab_size": 8}')
    assert model_config(model(url)) == {"model_type": "other", "vocab_size": 8}
    assert model_config(model(str(first)))["model_type"] == "llama"


def test_a_url_that_holds_no_model_is_told_and_not_remembered(home: Path, source: Path) -> None:
    url = f"file://{source}"
    config = (source / "config.json").read_bytes()
    (source / "config.json").unlink()
    expected = f"model.name_or_path: {url} cannot be fetched: it holds no config.json; give a model folder"
    assert refused(url) == expected
    (source / "config.json").write_bytes(config)
    assert (fetch_model(model(url)) / "config.json").read_bytes() == config


@pytest.mark.parametrize("url", ["file:///nowhere/at/all", "memory://nowhere", "gopher://nowhere/model"])
def test_a_url_that_cannot_be_read_leaves_nothing(home: Path, url: str) -> None:
    assert refused(url).startswith(f"model.name_or_path: {url} cannot be fetched: ")
    assert not [path for path in home.rglob("*") if path.is_dir() and path.parent.name == "models"]


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "no-folder"
    file.touch()
    monkeypatch.setenv("HOME", str(file))
    assert "Not a directory" in refused(f"file://{source}")


def test_a_hub_id_needs_the_hub_or_the_cache() -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    message = refused("nobody/nothing", "main")
    assert message.startswith(
        "model.name_or_path: nobody/nothing at revision main is not in the local cache and the hub cannot be reached: "
    )


def test_a_name_that_can_be_no_hub_id_points_to_local_folders() -> None:
    assert refused("models/of/mine").endswith("; a local folder starts with ./, ../ or /")


def test_a_configuration_is_read_from_the_folder_or_foretold(stories: Path) -> None:
    assert model_config(model(str(stories)))["hidden_size"] == 64
    assert model_config(Scratch(kind="scratch", hidden_size=48))["hidden_size"] == 48


@pytest.mark.parametrize(
    ("content", "reason"),
    [("{", "cannot be read as JSON"), ("[]", "holds no JSON object"), ("{}", "says no vocab_size")],
)
def test_a_configuration_that_is_no_use_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InvalidInput, match=reason):
        model_config(model(str(tmp_path)))
