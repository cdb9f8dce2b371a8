"""`launcher doctor` on this machine: what it looks at, and how it tells of it."""

import json
from pathlib import Path

import pytest
import yaml

from launcher.cli.doctor_verb import CHECKS as NAMED
from launcher.cluster.load import load_profile
from launcher.doctor.checks import CHECKS
from tests.conftest import RECIPE
from tests.doctor.told import doctor


def recipe(folder: Path, **sections: object) -> str:
    place = folder / "moods.yaml"
    place.write_text(yaml.safe_dump({**RECIPE, **sections}))
    return str(place)


def test_the_checks_that_help_names_are_those_that_there_are() -> None:
    assert ", ".join(CHECKS) == NAMED


def test_this_machine_is_examined_by_every_check_and_nothing_stays(tmp_path: Path) -> None:
    done = doctor(f"cluster.storage={tmp_path}/runs", f"cluster.cache_folder={tmp_path}/cache", "--json")
    assert done.code == 0, done.out
    assert {each["check"] for each in done.verdicts} == set(CHECKS)
    assert json.loads(done.out)["verdict"] in ("ok", "warn")
    assert list(tmp_path.rglob("*")) == [tmp_path / "runs"]
    speeds = {each["unit"] for each in done.verdicts if each["figure"]}
    assert {"FLOP/s", "B/s", "B"} <= speeds


def test_a_variable_that_is_missing_is_found_by_its_name_and_no_value_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_WORD", "plugh")
    monkeypatch.delenv("OTHER_WORD", raising=False)
    place = f"cluster.storage={tmp_path}/runs"
    done = doctor(place, "cluster.secrets=[SECRET_WORD, OTHER_WORD]", "--only", "environment", "--json")
    assert done.code == 3
    (failure,) = done.of("environment", "fail")
    assert failure["found"] == "no OTHER_WORD"
    assert "set OTHER_WORD on" in failure["mend"]
    assert "plugh" not in done.out + done.err


def test_what_a_recipe_reports_to_needs_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # no netrc
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    place, words = f"cluster.storage={tmp_path}/runs", ("--only", "environment", "--json")
    online = recipe(tmp_path, tracking={"report_to": ["wandb"]})
    (failure,) = doctor(online, place, *words).of("environment", "fail")
    assert failure["found"] == "no WANDB_API_KEY"
    monkeypatch.setenv("WANDB_API_KEY", "plugh")
    assert doctor(online, place, *words).code == 0


def test_a_storage_without_room_for_the_checkpoints_of_a_recipe_is_found(tmp_path: Path) -> None:
    place = recipe(tmp_path, model={"kind": "scratch"}, training={"save_total_limit": 10**9})
    done = doctor(place, f"cluster.storage={tmp_path}/runs", "--only", "disk", "--json")
    (failure,) = done.of("disk", "fail")
    assert failure["found"].startswith("storage ")
    assert "cluster.storage" in failure["mend"]


def test_a_table_fits_its_terminal_and_tells_every_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTHER_WORD", raising=False)
    for columns in (80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        done = doctor(f"cluster.storage={tmp_path}", "cluster.secrets=[OTHER_WORD]", "--only", "environment,versions")
        assert done.code == 3
        assert max(map(len, done.out.splitlines())) <= columns
        words = " ".join(done.out.split())
        assert "no OTHER_WORD" in words
        assert "cluster.secrets names it" in words
        assert "1 fail" in words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--only", "stor"), "--only: 'stor' is no check; did you mean store?"),
        (("training.seed=1",), "training.seed=1: there is no recipe to change; name one before it"),
        (("nowhere/at-all",), "nowhere/at-all"),
        (("cluster.storage=memory://x",), "keeps no run"),
        (("--ban", "a/b"), "'a/b' is no name of a host"),
    ],
)
def test_bad_input_is_told_in_one_line_with_exit_code_2(words: tuple[str, ...], told: str, tmp_path: Path) -> None:
    place = () if "cluster" in words[0] else (f"cluster.storage={tmp_path}",)
    done = doctor(*words, *place)
    assert (done.code, done.out) == (2, "")
    (line,) = [line for line in done.err.splitlines() if line.startswith("launcher:") or told in line]
    assert told in line


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (
            "slurm-h100-4x8",
            "salloc --nodes=4 --ntasks-per-node=1 --cpus-per-task=96 --gres=gpu:h100:8 launcher doctor ",
        ),
        ("ray-cpu", "ray job submit --address "),
        ("kuberay-cpu", "kubectl --namespace default exec -it HEAD-POD -- launcher doctor "),
    ],
)
def test_away_from_a_cluster_it_looks_at_what_it_can_and_says_how_to_look_at_the_rest(
    profile: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_ADDRESS", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in load_profile(profile).secrets:
        monkeypatch.setenv(name, "plugh")
    done = doctor("--cluster", profile, f"cluster.storage={tmp_path}/runs", "--json")
    assert done.code == 0, done.out
    assert {each["check"] for each in done.verdicts} == set(CHECKS)
    assert len(done.of("store", "ok")) >= 3
    assert done.of("collectives", "not here")
    told = json.loads(done.out)["next"]
    assert told[-1].startswith(words)
    assert told[-1].endswith(f"doctor cluster.storage={tmp_path}/runs --cluster {profile} --json")
