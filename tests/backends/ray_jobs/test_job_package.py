"""What of a folder a cluster gets a copy of."""

import subprocess
import zipfile

import pytest
import yaml

from launcher.backends.ray_jobs.package import measured, package
from launcher.backends.ray_jobs.request import request, request_yaml
from launcher.backends.submission import Submission
from launcher.cluster.ray import Ray
from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe
from tests.backends.kubernetes.submissions import RECIPE

MIB = 2**20


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "work"
    for name in (
        "launcher/data/rows.py",
        "data/rows.csv",
        "runs/r/log",
        ".venv/x",
        "notes/a.txt",
        ".git/config",
        "b/big.bin",
    ):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(name)
    return made


def packed(folder, target, *excludes, limit=MIB):
    package(folder, measured(folder, excludes, limit), target / "it.zip")
    with zipfile.ZipFile(target / "it.zip") as found:
        return set(found.namelist())


def test_code_is_taken_along_and_git_environments_runs_and_data_are_not(folder, tmp_path):
    assert packed(folder, tmp_path) == {"launcher/data/rows.py", "notes/a.txt", "b/big.bin"}


@pytest.mark.parametrize("pattern", ["b", "b/", "*.bin", "b/*.bin"])
def test_more_is_left_out_by_pattern(folder, tmp_path, pattern):
    assert packed(folder, tmp_path, pattern) == {"launcher/data/rows.py", "notes/a.txt"}


def test_what_git_ignores_is_left_out(folder, tmp_path):
    (folder / ".git" / "config").unlink()
    (folder / ".git").rmdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".gitignore").write_text("notes/\n")
    assert packed(folder, tmp_path) == {".gitignore", "launcher/data/rows.py", "b/big.bin"}


def test_the_same_content_is_the_same_package(folder, tmp_path):
    packed(folder, tmp_path)
    first = (tmp_path / "it.zip").read_bytes()
    (folder / "notes" / "a.txt").touch()
    packed(folder, tmp_path)
    assert (tmp_path / "it.zip").read_bytes() == first


def test_a_folder_that_is_too_large_is_refused_with_what_takes_most_and_nothing_is_written(folder, tmp_path):
    with (folder / "b" / "big.bin").open("wb") as sparse:
        sparse.truncate(600 * MIB)
    with pytest.raises(
        InvalidInput, match=r"cluster\.working_dir: .* holds 600 MiB, and Ray takes 500 MiB.*b \(600 MiB\)"
    ):
        packed(folder, tmp_path, limit=500 * MIB)
    assert not (tmp_path / "it.zip").exists()


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"cluster\.working_dir"):
        packed(tmp_path / "nowhere", tmp_path)


def submission(**fields):
    profile = Ray.model_validate(
        {"backend": "ray", "address": "http://head:8265", "storage": "s3://bucket/runs"} | fields
    )
    return Submission("moods-1", f"{profile.storage}/moods-1", Recipe.model_validate(RECIPE), profile, number=1)


def test_a_request_has_an_id_of_run_and_number_no_resources_and_its_environment():
    told = yaml.safe_load(request_yaml(request(submission(environment={"NCCL_DEBUG": "WARN"}, working_dir="."), 3)))
    assert told["submission_id"] == "moods-1-a3"
    assert told["entrypoint"] == (
        "python -m launcher run s3://bucket/runs/moods-1/recipe.yaml --cluster s3://bucket/runs/moods-1/profile-1.yaml "
        "--run-id moods-1"
    )
    assert told["runtime_env"]["env_vars"]["NCCL_DEBUG"] == "WARN"
    assert told["metadata"]["launcher_run"] == "moods-1"
    assert not any("num_" in key for key in told)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"storage": "runs"}, "cluster.storage"),
        ({"storage": "s3://bucket/$HOME"}, "cluster.storage"),
        ({"python": "python; rm"}, "cluster.python"),
        ({"environment": {"HF_TOKEN": "x"}}, "cluster.environment.HF_TOKEN"),
    ],
)
def test_what_a_cluster_may_not_be_asked_for_is_refused_with_its_field(fields, field):
    with pytest.raises(InvalidInput) as caught:
        request(submission(**fields), 1)
    assert str(caught.value).startswith(field)
