"""What a run shows and leaves behind, and what can be done with it."""

import csv
import hashlib
import json
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
import xxhash
import yaml
from peft import AutoPeftModelForSequenceClassification
from transformers import AutoModelForCausalLM, AutoTokenizer

from launcher.recipe.load import load_recipe
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.e2e.command import Bench, Ended, the_one_line

LABELS = ["negative", "neutral", "positive"]


@dataclass(frozen=True, slots=True)
class Finished:
    folder: Path
    ended: Ended
    left: list[object]
    """Processes, folders and shared memory that the run has left behind."""

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in sorted((self.folder / "journal").iterdir())]

    def predictions(self) -> list[dict[str, str]]:
        with (self.folder / "evaluation/predictions.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def contents(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


def run_to_the_end(bench: Bench, *words: str, run_id: str) -> Finished:
    shared_memory = set(os.listdir("/dev/shm"))
    with bench.started("run", *words, "--run-id", run_id) as started:
        started.until_said("^starting . workers")
        cluster = started.cluster_folder()
        ended = started.ended()
        psutil.wait_procs(started.processes(), timeout=10)  # Ray's end a moment after the launcher on a busy machine
        left: list[object] = [*started.processes(), *bench.temporary.glob("ll-*"), *bench.home.iterdir()]
        left += [name for name in os.listdir("/dev/shm") if name not in shared_memory]
        if cluster.exists():
            left.append(cluster)
    return Finished(bench.runs / run_id, ended, left)


def probabilities(row: dict[str, str], model: str) -> list[float]:
    return [float(value) for name, value in row.items() if name.startswith(f"{model}_p_")]


@pytest.fixture(scope="module")
def small(bench: Bench) -> Finished:
    """A small Llama from scratch, trained by two ranks."""
    return run_to_the_end(bench, "small.yaml", "cluster.workers=2", run_id="small")


def test_without_a_terminal_a_run_prints_plain_lines_that_end_in_a_table(small: Finished) -> None:
    ended = small.ended
    assert (ended.code, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    assert "\r" not in ended.out
    assert "ray" not in ended.out.casefold().replace("starting ray", "")
    assert re.search(r"^step 60/60  loss \d\.\d{4}  ", ended.out, re.MULTILINE)
    table = ended.out.partition("Results on 30 test rows")[2]
    assert [name for name in ("base", "tuned", "TF-IDF + logistic regression") if f"│ {name} " not in table] == []
    assert ended.out.splitlines()[-1] == f"ask it    launcher predict {small.folder} TEXT"


def test_a_run_leaves_no_process_folder_or_shared_memory_behind(small: Finished) -> None:
    assert small.left == []


def test_the_recipe_in_the_run_directory_loads_back_as_it_was(small: Finished, bench: Bench) -> None:
    digest = load_recipe(str(bench.folder / "small.yaml")).digest
    stored = small.folder / "recipe.yaml"
    assert load_recipe(str(stored)).digest == digest
    assert stored.read_text().splitlines()[0] == f"# digest {digest}"


def test_the_journal_opens_commits_and_closes(small: Finished) -> None:
    opened, *committed, closed = small.journal()
    assert (opened["kind"], {entry["kind"] for entry in committed}, closed["kind"]) == ("open", {"commit"}, "close")
    assert {entry["attempt"] for entry in (opened, *committed, closed)} == {1}
    assert [entry["step"] for entry in committed[-2:]] == [60, 60]
    assert [entry["checkpoint"].split("/")[0] for entry in committed[-2:]] == ["checkpoints", "model"]
    assert (closed["cause"], closed["exit_code"]) == ("done", 0)


def test_every_step_is_told_once_with_finite_numbers(small: Finished) -> None:
    events = [event for event in read_events(Store.open(str(small.folder))) if event["kind"] == "step"]
    assert [event["step"] for event in events] == list(range(1, 61))
    for name in ("loss", "learning_rate", "grad_norm", "tokens", "tokens_per_second", "seconds_left"):
        assert all(math.isfinite(event[name]) for event in events), name
    assert sum(event["loss"] for event in events[-10:]) < 0.5 * sum(event["loss"] for event in events[:10])


def test_predictions_have_a_row_for_each_test_row_and_metrics_count_them(small: Finished) -> None:
    rows = small.predictions()
    columns = ["text", "label", "base_prediction", "tuned_prediction"]
    assert list(rows[0]) == [*columns, *(f"{model}_p_{label}" for model in ("base", "tuned") for label in LABELS)]
    assert sorted(row["label"] for row in rows) == sorted(LABELS * 10)
    metrics = json.loads((small.folder / "evaluation/metrics.json").read_text())
    for model in ("base", "tuned"):
        for row in rows:
            shares = probabilities(row, model)
            assert sum(shares) == pytest.approx(1, abs=1e-5)
            assert row[f"{model}_prediction"] == LABELS[shares.index(max(shares))]
        right = sum(row["label"] == row[f"{model}_prediction"] for row in rows)
        assert metrics[model]["accuracy"] == pytest.approx(right / 30)


def test_the_commit_names_a_manifest_that_every_file_of_the_model_matches(small: Finished) -> None:
    folder = small.folder / "model"
    content = (folder / "MANIFEST.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == small.journal()[-2]["manifest_digest"]
    files = json.loads(content)["files"]
    assert {file["name"] for file in files} == {path.name for path in folder.iterdir()} - {"MANIFEST.json"}
    for file in files:
        data = (folder / file["name"]).read_bytes()
        assert (file["size"], file["xxh3_128"]) == (len(data), xxhash.xxh3_128_hexdigest(data))


def test_transformers_alone_loads_the_model_and_finds_what_was_predicted(small: Finished) -> None:
    model = AutoModelForCausalLM.from_pretrained(small.folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(small.folder / "model")
    row = small.predictions()[0]
    prompt = tokenizer(f"{row['text']} Mood:")["input_ids"]
    scores = []
    for label in LABELS:
        completion = [*tokenizer(f" {label}", add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
        scores.append(logits.log_softmax(-1)[range(len(completion)), completion].sum())
    assert torch.stack(scores).softmax(0).tolist() == pytest.approx(probabilities(row, "tuned"), abs=1e-4)


def test_each_rank_has_a_log(small: Finished) -> None:
    assert sorted(path.name for path in (small.folder / "logs").iterdir()) == ["1-0.log", "1-1.log"]


def test_predict_agrees_with_the_predictions(small: Finished, bench: Bench) -> None:
    rows = small.predictions()[:2]
    ended = bench.launcher("predict", str(small.folder), *(row["text"] for row in rows), "--json")
    assert (ended.code, ended.err) == (0, "")
    for answer, row in zip(json.loads(ended.out), rows, strict=True):
        assert answer["text"] == row["text"]
        for model in ("base", "tuned"):
            assert answer[model]["answer"] == row[f"{model}_prediction"]
            assert list(answer[model]["probabilities"].values()) == pytest.approx(probabilities(row, model), abs=1e-4)


def test_a_tuned_model_writes_the_label_that_it_is_surest_of(small: Finished, bench: Bench) -> None:
    surest = max(small.predictions(), key=lambda row: max(probabilities(row, "tuned")))
    ended = bench.launcher("predict", "small", surest["text"], "--generate", "5")
    assert (ended.code, ended.err) == (0, "")
    text, base, tuned = ended.out.splitlines()
    assert (text, base.split()[0]) == (surest["text"], "base")
    assert tuned.split() == ["tuned", surest["tuned_prediction"]]


def test_a_run_that_has_ended_cannot_be_run_again(small: Finished, bench: Bench) -> None:
    before = small.contents()
    line = the_one_line(bench.launcher("run", "small.yaml", "--run-id", "small"), code=2)
    assert "has ended with a model; give another id" in line
    assert small.contents() == before


@pytest.fixture(scope="module")
def answers(bench: Bench, stories: Path) -> Finished:
    """LoRA on free completions."""
    rows = [{"question": f"Tom has {n} red balls and", "answer": f" {n} blue balls."} for n in range(24)]
    (bench.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "name": "answers",
        "model": {"kind": "pretrained", "name_or_path": str(stories)},
        "method": {"kind": "lora"},
        "task": {"kind": "instruction", "prompt": "{question}", "completion": "{answer}"},
        "data": {
            "train": {"kind": "jsonl", "url": "rows.jsonl"},
            "split": {"train_per_class": 16, "test_per_class": 8},
        },
        "strategy": {"kind": "ddp"},
        "training": {"max_steps": 10, "learning_rate": 0.01},
    }
    (bench.folder / "answers.yaml").write_text(yaml.safe_dump(recipe))
    return run_to_the_end(bench, "answers.yaml", "cluster.workers=1", run_id="answers")


def test_a_task_without_labels_ends_in_loss_and_perplexity(answers: Finished) -> None:
    assert (answers.ended.code, answers.ended.err, answers.left) == (0, "", [])
    found = re.findall(r"^(base|tuned) +loss (\S+), perplexity (\S+)$", answers.ended.out, re.MULTILINE)
    (base, base_loss, base_perplexity), (tuned, tuned_loss, _) = found
    assert (base, tuned) == ("base", "tuned")
    assert float(base_perplexity) == pytest.approx(math.exp(float(base_loss)), rel=1e-2)
    assert float(tuned_loss) < float(base_loss)


def test_a_task_without_labels_is_asked_to_write(answers: Finished, bench: Bench) -> None:
    text = "Tom has 3 red balls and"
    assert "let it write with --generate N" in the_one_line(bench.launcher("predict", "answers", text), code=2)
    ended = bench.launcher("predict", "answers", text, "--generate", "4")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["Tom", "base", "tuned"]


@pytest.fixture(scope="module")
def reviews(bench: Bench, shared: Path, stories: Path) -> Finished:
    """LoRA with a head, on a few rows of SST-2."""
    overrides = [f"model.name_or_path={stories}", "cluster.workers=1", "training.max_length=256"]
    for part, count in (("train", 64), ("test", 20)):
        with (shared / f"data/sst2/{part}.tsv").open(encoding="utf-8", newline="") as source:
            (bench.folder / f"{part}.tsv").write_text("".join(next(source) for _ in range(count)), encoding="utf-8")
        overrides.append(f"data.{part}.url={part}.tsv")
    return run_to_the_end(bench, "stories260k/sst2-classification-lora", *overrides, run_id="reviews")


def test_peft_alone_loads_an_adapter_with_its_head_and_finds_what_was_predicted(reviews: Finished) -> None:
    assert (reviews.ended.code, reviews.ended.err, reviews.left) == (0, "", [])
    model = AutoPeftModelForSequenceClassification.from_pretrained(reviews.folder / "model")
    tokenizer = AutoTokenizer.from_pretrained(reviews.folder / "model")
    rows = reviews.predictions()
    assert len(rows) == 20
    for row in rows:
        with torch.inference_mode():
            logits = model(**tokenizer(row["text"], return_tensors="pt", return_token_type_ids=False)).logits[0]
        assert logits.softmax(-1).tolist() == pytest.approx(probabilities(row, "tuned"), abs=1e-4)
