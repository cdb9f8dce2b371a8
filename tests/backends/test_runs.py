"""`launcher runs` and `launcher status`: what journals below a storage root say."""

import json

import pytest

from launcher.backends.runs import list_runs
from launcher.backends.submitted import progress_lines
from launcher.checkpoint.journal import Journal
from launcher.cli import main
from launcher.storage.layout import MODEL, WANDB_ADDRESS
from launcher.storage.store import Store
from launcher.train.run_directory import write_recipe


@pytest.fixture
def storage(tmp_path, recipe_of):
    """Four runs, and what is no run."""
    stores = {name: Store.open(str(tmp_path / name)) for name in ("begun", "done", "failed", "new")}
    for name, store in stores.items():
        write_recipe(store, recipe_of())
        if name == "new":
            continue
        attempt = Journal(store).open_attempt("slurm", "job 7 start 0 of east", ["n1", "n2"])
        attempt.commit(40, "checkpoints/00000040-1-x", "digest")
        if name == "done":
            attempt.commit(60, MODEL, "digest")
            attempt.close("done", 0)
        elif name == "failed":
            attempt.close("RuntimeError: no", 1)
    (tmp_path / "datasets" / "x").mkdir(parents=True)
    (tmp_path / "stray").mkdir()
    (tmp_path / "file").write_text("")
    return tmp_path


def test_every_run_is_listed_with_how_far_it_came(storage):
    found = {line.run: (line.state, line.attempts, line.step) for line in list_runs(str(storage))}
    assert found == {
        "begun": ("owned", 1, 40),
        "done": ("done", 1, 60),
        "failed": ("RuntimeError: no", 1, 40),
        "new": ("new", 0, None),
    }


def test_the_verb_prints_a_table_or_json(storage, capsys):
    assert main(["runs", str(storage)]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["run", "state", "attempts"]
    assert [line.split()[0] for line in lines] == ["begun", "done", "failed", "new"]
    assert main(["runs", str(storage), "--json"]) == 0
    assert [each["run"] for each in json.loads(capsys.readouterr().out)] == ["begun", "done", "failed", "new"]


def test_a_storage_root_that_is_not_there_has_no_runs(tmp_path, capsys):
    assert main(["runs", str(tmp_path / "nowhere"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_run_that_was_not_submitted_has_no_scheduler_to_ask(storage, capsys):
    assert main(["status", str(storage / "begun")]) == 2
    assert "was not submitted" in capsys.readouterr().err


def test_status_tells_how_far_a_run_came_and_where_its_curves_are(storage):
    store = Store.open(str(storage / "begun"))
    store.write(WANDB_ADDRESS, b"https://wandb.ai/me/llama-launcher/runs/begun")
    lines = progress_lines(store)
    assert lines[0] == "attempts  1"
    assert lines[1].startswith("committed step 40, ")
    assert lines[2] == "owned by  slurm, job 7 start 0 of east on n1, n2"
    assert lines[3] == "W&B       https://wandb.ai/me/llama-launcher/runs/begun"
