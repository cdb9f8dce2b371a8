"""What is submitted: recipe and profile in the run directory, and one command."""

import pytest

from launcher.backends.backend import BACKENDS, backend_of
from launcher.backends.submission import Submission, local_paths, refuse_local_paths, write_submission
from launcher.cluster.load import load_profile
from launcher.cluster.profile import KINDS, Local, Slurm
from launcher.errors import InvalidInput
from launcher.recipe.load import load_recipe
from launcher.storage.layout import profile_name


@pytest.fixture
def submission(tmp_path, recipe_of):
    profile = Slurm(backend="slurm", time="30", storage=str(tmp_path))
    return Submission("first", str(tmp_path / "first"), recipe_of(), profile, 1)


def test_the_command_names_the_files_that_were_written_and_they_load_back(submission):
    written = write_submission(submission)
    words = written.command
    assert words[:2] == ("launcher", "run")
    assert words[-2:] == ("--run-id", "first")
    assert load_recipe(words[2]) == submission.recipe
    assert load_profile(words[words.index("--cluster") + 1]) == submission.profile


def test_the_same_profile_keeps_its_number_and_another_gets_the_next(submission, tmp_path):
    from dataclasses import replace

    assert write_submission(submission).number == 1
    assert write_submission(submission).number == 1
    longer = replace(submission, profile=submission.profile.model_copy(update={"time": "60"}))
    assert write_submission(longer).number == 2
    assert load_profile(str(tmp_path / "first" / profile_name(1))) == submission.profile


def test_what_a_user_allows_is_part_of_the_command(submission):
    from dataclasses import replace

    told = replace(submission, takeover=True, may_change=("strategy", "training.logging_steps"))
    assert told.arguments[-5:] == (
        *("--allow-recipe-change", "strategy", "--allow-recipe-change", "training.logging_steps"),
        "--takeover",
    )


def test_what_was_allowed_to_change_is_what_goes_on(submission, recipe_of):
    from dataclasses import replace

    write_submission(submission)
    longer = replace(submission, recipe=recipe_of(training={"max_steps": 70}))
    for _ in range(2):
        written = write_submission(longer, ["training.max_steps"])
        assert written.recipe_number == 2
        assert load_recipe(written.arguments[1]) == longer.recipe
    assert write_submission(submission).recipe_number == 1


def test_a_run_of_another_recipe_is_not_written_over(submission, recipe_of):
    from dataclasses import replace

    write_submission(submission)
    with pytest.raises(InvalidInput, match="holds a run of another recipe"):
        write_submission(replace(submission, recipe=recipe_of(training={"seed": 7})))


def test_every_path_of_this_machine_in_a_recipe_is_told(recipe_of):
    recipe = recipe_of(
        model={"kind": "pretrained", "name_or_path": "./models/x"},
        method={"kind": "lora", "warm_start": "runs/before"},
        data={
            "train": {
                "kind": "mixture",
                "sources": {
                    "a": {"source": {"kind": "csv", "url": ["a.csv", "s3://b/a.csv"]}, "weight": 1.0},
                    "b": {"source": {"kind": "huggingface", "dataset": "./set", "split": "train"}, "weight": 1.0},
                },
            },
            "test": {"kind": "jsonl", "url": "/data/test.jsonl"},
        },
        training={"max_steps": 10},
    )
    assert local_paths(recipe) == [
        ("model.name_or_path", "./models/x"),
        ("method.warm_start", "runs/before"),
        ("data.train.sources.a.url", "a.csv"),
        ("data.train.sources.b.dataset", "./set"),
        ("data.test.url", "/data/test.jsonl"),
    ]
    with pytest.raises(
        InvalidInput, match=r"model\.name_or_path: \./models/x; .*: pods see no disk of yours; give a URL"
    ):
        refuse_local_paths(recipe, "pods see no disk of yours")


def test_a_recipe_of_urls_and_hub_ids_goes_anywhere(recipe_of):
    recipe = recipe_of(
        model={"kind": "pretrained", "name_or_path": "org/name"},
        data={**DATA, "test": {"kind": "csv", "url": "s3://b/t"}},
    )
    assert local_paths(recipe) == []
    refuse_local_paths(recipe, "")


DATA = {"train": {"kind": "csv", "url": "s3://b/rows.csv"}}


def test_every_kind_of_profile_but_this_machines_has_a_backend():
    assert {*BACKENDS, "local"} == set(KINDS)
    with pytest.raises(InvalidInput, match=r"cluster\.backend: local .* launcher run"):
        backend_of(Local(backend="local"))
