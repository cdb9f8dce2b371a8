"""The place of a dry run goes, and nothing beside it."""

from pathlib import Path

import pytest

from launcher.dryrun.scratch import RUN, scratch
from launcher.storage.store import Store


def test_what_lies_below_its_name_goes_and_runs_and_data_sets_beside_it_stay(tmp_path: Path) -> None:
    root = Store.open(str(tmp_path))
    root.create("mine/journal/00000001.json", b"{}")
    root.create("datasets/abc/manifest.json", b"{}")
    with scratch(str(tmp_path)) as scene:
        own = Store.open(scene.storage)
        own.create(f"{RUN}/recipe.yaml", b"")
        own.create("datasets/abc/manifest.json", b"")
        assert scene.clear().startswith("2 objects removed from ")
    assert root.list() == ["datasets/abc/manifest.json", "mine/journal/00000001.json"]


def test_two_dry_runs_have_places_of_their_own(tmp_path: Path) -> None:
    with scratch(str(tmp_path)) as one, scratch(str(tmp_path)) as other:
        assert one.storage != other.storage
        assert one.folder != other.folder


def test_a_storage_root_that_was_not_there_goes_again_where_nothing_is_in_it(tmp_path: Path) -> None:
    root = tmp_path / "a" / "runs"
    with scratch(str(root)) as scene:
        Store.open(scene.storage).check_writable()
        scene.clear()
    assert list(tmp_path.iterdir()) == []


def test_one_that_somebody_wrote_to_meanwhile_stays(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    with scratch(str(root)) as scene:
        Store.open(str(root)).create("another/recipe.yaml", b"")
        scene.clear()
    assert (root / "another" / "recipe.yaml").is_file()


def test_logs_that_a_failure_names_are_kept_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    with scratch(str(tmp_path / "runs")) as scene:
        run = Store.open(f"{scene.storage}/{RUN}")
        run.create("logs/1-0.log", b"said")
        why = scene.with_logs(f"rank 0 failed; its log: {run.location}/logs/1-0.log")
        scene.clear()
    place = Path(why.rpartition(": ")[2])
    assert place.read_bytes() == b"said"
    assert place.is_relative_to(tmp_path / "tmp")


def test_a_failure_that_names_no_file_keeps_none(tmp_path: Path) -> None:
    with scratch(str(tmp_path)) as scene:
        assert scene.with_logs("no such column") == "no such column"
