"""`evaluate`, `compare` and `report` on a real run, through the command line."""

import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.command import Bench, the_one_line
from tests.small import SMALL


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Bench:
    """A folder with the finished run `runs/one`, which knows little."""
    folder = tmp_path_factory.mktemp("results")
    training = {**SMALL["training"], "max_steps": 30, "save_steps": 10}
    (folder / "small.yaml").write_text(yaml.safe_dump({**SMALL, "training": training}))
    bench = Bench(folder, shared)
    ended = bench.launcher("run", "small.yaml", "--run-id", "one", "cluster.workers=1")
    assert ended.code == 0, ended.err
    return bench


def test_evaluating_a_run_again_gives_its_own_metrics(bench: Bench) -> None:
    ended = bench.launcher("evaluate", "one", "--json", "evaluation.batch_size=7")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    own = json.loads((bench.runs / "one/evaluation/metrics.json").read_text())
    for model in ("base", "tuned"):
        told = found["labelled"][model]
        assert told["confusion"] == own[model]["confusion"]
        assert told["macro_f1"] == own[model]["macro_f1"]
        assert told["calibration"]["error"] == pytest.approx(own[model]["calibration"]["error"], abs=1e-4)


def test_other_rows_and_a_stored_model_are_evaluated_too(bench: Bench) -> None:
    ended = bench.launcher("evaluate", "one", "data.test.rows_per_class=4", "--generate", "3", "--to", "out.jsonl")
    assert ended.code == 0, ended.err
    assert "Results on 12 test rows" in ended.out
    assert "tuned     ROUGE-L" in ended.out
    assert len((bench.folder / "out.jsonl").read_text().splitlines()) == 12
    alone = bench.launcher("evaluate", "runs/one/model", "--recipe", "small.yaml", "--json")
    own = json.loads((bench.runs / "one/evaluation/metrics.json").read_text())
    assert json.loads(alone.out)["labelled"]["model"]["confusion"] == own["tuned"]["confusion"]


def test_texts_are_asked_of_a_run_a_commit_and_a_model_in_any_form(bench: Bench) -> None:
    (bench.folder / "texts.txt").write_text("the sales at Orvik rose\nthe costs fell\n")
    own, *others = (
        json.loads(bench.launcher("predict", *words, "--json").out)
        for words in (
            ("one", "--file", "texts.txt"),
            ("one", "--commit", "30", "the sales at Orvik rose", "the costs fell"),
            ("runs/one/model", "--recipe", "small.yaml", "--file", "texts.txt"),
        )
    )
    assert [each["text"] for each in own] == ["the sales at Orvik rose", "the costs fell"]
    for answers, model in zip(others, ("tuned", "model"), strict=True):
        assert [each[model] for each in answers] == [each["tuned"] for each in own]
    ended = bench.launcher("predict", "one", "--csv", "the costs fell")
    assert ended.out.splitlines()[0].startswith("text,base_prediction,tuned_prediction,base_p_negative")
    assert "leave out --commit or --recipe" in the_one_line(
        bench.launcher("predict", "x", "--recipe", "small.yaml", "--commit", "3", "text"), 2
    )


def test_what_a_run_writes_is_kept_for_its_report(bench: Bench) -> None:
    ended = bench.launcher("evaluate", "one", "--limit", "2", "--generate", "3", "--keep")
    assert ended.code == 0, ended.err
    assert len((bench.runs / "one/evaluation/generations.jsonl").read_text().splitlines()) == 2
    for words, told in (
        (("one", "--keep"), "nothing is written that could be kept; give --generate N too"),
        (("one", "--generate", "3", "--keep", "data.test.seed=9"), "leave out --recipe and KEY=VALUE"),
    ):
        assert told in the_one_line(bench.launcher("evaluate", *words), 2)


def test_a_report_is_one_file_with_pictures_beside_it(bench: Bench) -> None:
    ended = bench.launcher("report", "one", "--png", "pictures")
    assert ended.code == 0, ended.err
    page = (bench.runs / "one/report.html").read_text()
    for told in ("Base against tuned", "Loss, nats a label token", "Examples that changed", "steps 1 to 30", "goodput"):
        assert told in page, told
    assert len(page) < 1_000_000
    assert {"loss.png", "timeline.png"} <= {path.name for path in (bench.folder / "pictures").iterdir()}


def test_runs_are_compared(bench: Bench) -> None:
    (found,) = json.loads(bench.launcher("compare", "one", "--json").out)
    assert found["steps"] == 30
    assert found["workers"] == 1
    weights = (bench.runs / "one/model/model.safetensors").stat().st_size
    assert found["model_bytes"] == weights
    assert found["trained_parameters"] * 4 == pytest.approx(weights, rel=0.05)
    assert found["tokens_per_second"] > 0
    assert 0 < found["goodput"] < 1
    assert "macro-F1 [95 %]" in bench.launcher("compare", "one", "one").out


def test_what_is_not_there_is_told_in_a_line(bench: Bench) -> None:
    for verb in ("report", "compare"):
        assert "no run directory" in the_one_line(bench.launcher(verb, "none"), 2)
    assert "only data" in the_one_line(bench.launcher("evaluate", "one", "training.seed=1"), 2)
