"""Every shipped recipe is planned for machines elsewhere, without a network."""

import json
import re
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.cli import main
from launcher.cluster.profile import Local
from launcher.plan.batch import plan_batches
from launcher.plan.hardware import elsewhere
from launcher.plan.outlook import look_ahead
from launcher.plan.preview import planned_config
from launcher.recipe.load import load_recipe
from launcher.recipe.shipped import shipped_folder, shipped_recipes

SHIPPED = [each.reference for each in shipped_recipes()]
UNCOUNTED = ("llama3.1-8b/text-pretrain-zero3",)
"""Whose rows are the user's own."""
UNTIMED = (*UNCOUNTED, "stories260k/shakespeare-pretrain-zero3")
"""Whose steps only encoding tells: long documents become several rows of a pack."""
NUMBERS = {"one": 1, "two": 2, "four": 4, "eight": 8}
HARDWARE = re.compile(
    r"^# Hardware: (?:(\w+) nodes of )?(\w+) GPUs? of (\d+) GiB(?:.* ([\d.]+) TB of host memory)?", re.M
)


@pytest.fixture
def offline(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the shared data beside it, and no network at all."""
    (tmp_path / "shared").symlink_to(shared)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("reference", SHIPPED)
def test_a_shipped_recipe_is_planned_offline(reference: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["plan", reference, "--gpus", "8", "--accelerator", "H100", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["memory"]["fits"] else 3)
    assert told["memory"]["peak"] > 0
    assert told["batches"]["global_batch"] > 0
    assert told["speed"]["step_s"] > 0
    assert (told["rows"]["train"] is None) == (reference in UNCOUNTED)
    assert (told["speed"]["hours"] is None) == (reference in UNTIMED)


def promised() -> list[tuple[str, int, int, float]]:
    """Recipes with the GPUs, GiB and TB of host memory that their headers name."""
    found = []
    for reference in SHIPPED:
        header = HARDWARE.search((shipped_folder("recipes") / f"{reference}.yaml").read_text())
        if header is not None:
            gpus = NUMBERS[header[1] or "one"] * NUMBERS[header[2]]
            found.append((reference, gpus, int(header[3]), float(header[4] or 1)))
    return found


@pytest.mark.parametrize(("reference", "gpus", "gib", "host"), promised())
def test_a_recipe_fits_what_its_header_names(reference: str, gpus: int, gib: int, host: float) -> None:
    recipe = load_recipe(reference)
    named = elsewhere(gpus, "H100", Local(backend="local"))
    hardware = replace(named, memory=gib * 2**30, host=int(host * 1e12))
    config = planned_config(recipe.model)
    outlook = look_ahead(recipe, config, plan_batches(recipe.training, world=gpus, documents=None), hardware)
    assert outlook is not None
    assert outlook.fits


def test_the_headers_of_large_recipes_name_hardware() -> None:
    assert len(promised()) == 14


@pytest.mark.usefixtures("offline")
def test_rows_that_are_given_make_steps_and_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    machines = ["--gpus", "64", "--accelerator", "H100"]
    assert main(["plan", "llama3.1-8b/text-pretrain-zero3", *machines]) == 0
    told = capsys.readouterr().out
    assert "rows      not read, as not all are on this machine: say --rows N, or --data to read them" in told
    assert "steps     not known, as the rows are not" in told
    assert "time" not in told
    assert main(["plan", "llama2-7b/imdb-lora", "--rows", "3200", *machines]) == 0
    told = capsys.readouterr().out
    assert "rows      3,200 to train on, as given" in told
    assert "steps     100 (1 epochs)" in told
    assert "time      " in told
