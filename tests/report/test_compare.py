"""Runs side by side."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from launcher.errors import InvalidInput
from launcher.evaluate.table import TUNED
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.report.compare import comparison_table, summaries
from launcher.report.summary import Summary, quantization_name
from launcher.storage.layout import RECIPE
from launcher.storage.store import Store
from tests.report.conftest import INTERRUPTED, add_generations, add_scores, write_run

LABELS = ["negative", "neutral", "positive"]


def rendered(runs: list[Summary], width: int = 80) -> str:
    plain = Console(width=width, color_system=None)
    with plain.capture() as shown:
        plain.print(comparison_table(runs, width))
    return shown.get()


@pytest.fixture
def two(tmp_path: Path, recipe_of: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> list[Summary]:
    quantised = {"kind": "qlora", "quantization": {"type": "fp4", "double_quantization": False}}
    model = {"kind": "pretrained", "name_or_path": "/models/base"}
    for name, method in (("whole", {"kind": "lora"}), ("few-bits", quantised)):
        add_scores(write_run(tmp_path / "runs" / name, recipe_of(model=model, method=method), INTERRUPTED), LABELS)
    monkeypatch.chdir(tmp_path)
    return summaries(["whole", "few-bits"])


def test_what_differs_has_cells_and_what_does_not_a_line(two: list[Summary]) -> None:
    text = rendered(two)
    table, rest = text.split("the same in all: ")
    assert "quantisation" in table
    assert "fp4" in table
    assert "60" not in table
    assert "steps 60" in " ".join(rest.split())


def test_every_score_has_its_interval_at_any_width(two: list[Summary]) -> None:
    tuned = two[0].metrics["tuned"]
    interval = f"{tuned.macro_f1:.3f} [{tuned.macro_f1_low:.3f}, {tuned.macro_f1_high:.3f}]"
    for width in (80, 160):
        text = rendered(two, width)
        assert text.count(interval) == 2
        assert max(map(len, text.splitlines())) <= width
        assert ("ECE" in text) == (width == 160)


def test_many_runs_stand_below_each_other(two: list[Summary]) -> None:
    assert "few-bits" in rendered(two * 5, 100)


def test_programs_get_everything(two: list[Summary]) -> None:
    first, second = json.loads(json.dumps([each.to_dict() for each in two]))
    assert (first["quantization"], second["quantization"]) == ("none", "fp4")
    assert (first["steps"], first["attempts"], first["model_bytes"], first["finished"]) == (60, 3, 2048, True)
    assert first["tokens_per_second"] == pytest.approx(4550)  # the median of steps 31 to 60
    assert first["metrics"]["tuned"]["calibration"]["bins"]
    assert first["metrics"]["base"]["weighted_f1_low"] <= first["metrics"]["base"]["weighted_f1"]


def test_different_test_rows_are_told(two: list[Summary], tmp_path: Path) -> None:
    add_scores(Store.open(str(tmp_path / "runs" / "whole")), LABELS, rows=90)
    assert "different test rows" in " ".join(rendered(summaries(["whole", "few-bits"])).split())
    assert "different test rows" not in rendered(two)


def test_a_sweep_is_a_pattern_and_shows_what_was_swept(
    tmp_path: Path, recipe_of: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {f"rates-{number}": 0.001 / (number + 1) for number in (10, 2, 0)}
    for name, rate in rates.items():
        write_run(tmp_path / "runs" / name, recipe_of(training={"learning_rate": rate}), INTERRUPTED)
    (tmp_path / "runs" / "rates-none").mkdir()
    monkeypatch.chdir(tmp_path)
    for pattern in ("rates-*", "runs/rates-*", f"{tmp_path}/runs/rates-*"):
        assert [each.run for each in summaries([pattern])] == ["rates-0", "rates-2", "rates-10"]
    text = rendered(summaries(["rates-*"]), 120)
    row = next(line for line in text.splitlines() if "training.learning_rate" in line)
    assert "0.001" in row
    assert str(0.001 / 3) in row
    assert "training.seed" not in text
    with pytest.raises(InvalidInput, match=r"^none-\*: no run directory fits"):
        summaries(["none-*"])


def test_what_was_written_is_compared_where_it_was_kept(
    tmp_path: Path, recipe_of: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        store = write_run(tmp_path / "runs" / name, recipe_of(), INTERRUPTED)
    add_generations(store)
    monkeypatch.chdir(tmp_path)
    one, two = found = summaries(["one", "two"])
    assert not one.written
    assert two.written[TUNED].exact_match == 0.5
    assert f"{two.written[TUNED].rouge_l:.3f} [" in rendered(found)


@pytest.mark.parametrize(
    ("quantization", "name"),
    [
        ({"type": "nf4"}, "nf4+double"),
        ({"type": "nf4", "double_quantization": False}, "nf4"),
        ({"type": "int8"}, "int8"),
    ],
)
def test_quantisations_have_names(quantization: dict[str, object], name: str, recipe_of: Callable[..., Recipe]) -> None:
    model = {"kind": "pretrained", "name_or_path": "/models/base"}
    assert quantization_name(recipe_of(model=model, method={"kind": "qlora", "quantization": quantization})) == name


def test_a_run_that_nobody_opened_does_not_compare(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    Store.open(str(tmp_path / "run")).create(RECIPE, resolved_yaml(recipe_of()).encode())
    with pytest.raises(InvalidInput, match="leave it out"):
        summaries([str(tmp_path / "run")])
