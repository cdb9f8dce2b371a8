"""`launcher checkpoints`, `export` and `predict` on a run that was killed, damaged in every way, and went on."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from launcher.checkpoint.contents import MANIFEST
from launcher.checkpoint.entries import Commit
from launcher.checkpoint.journal import Journal
from launcher.storage.store import Store
from tests.e2e.command import Bench, Ended, the_one_line, until

STEPS, EVERY = 125, 5
SAVING = (f"training.max_steps={STEPS}", f"training.save_steps={EVERY}", "training.save_total_limit=null")
WORDS = ("small.yaml", *SAVING, "cluster.workers=1", "--run-id", "killed")
KILLED_AFTER = 7
"""Commits: one for each damage, and one that stays whole."""


def commits(run: Path) -> list[Commit]:
    return [each for each in Journal(Store.open(str(run))).entries() if isinstance(each, Commit)]


def flip(folder: Path) -> None:
    data = bytearray((folder / "rank-0.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "rank-0.safetensors").write_bytes(data)


def another_run(folder: Path) -> None:
    content = (folder / MANIFEST).read_text()
    assert '"run":"killed"' in content
    (folder / MANIFEST).write_text(content.replace('"run":"killed"', '"run":"other"'))


DAMAGES: list[tuple[Callable[[Path], Any], str]] = [
    (shutil.rmtree, "MANIFEST.json is missing"),
    (another_run, "is not the one that was committed (it says run other)"),
    (lambda folder: (folder / "rank-0.safetensors").write_bytes(b""), "rank-0.safetensors has 0 bytes"),
    (lambda folder: (folder / "rank-0.json").unlink(), "rank-0.json is missing"),
    (flip, "rank-0.safetensors has another checksum than when it was written"),
]
"""From the newest commit on, each with what is said of it."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """The run as the kill left it, and its commits: those that were damaged, newest first, and the one below."""

    folder: Path
    whole: Path
    """A copy from before the damages."""
    spoilt: list[Commit]
    good: Commit


@pytest.fixture(scope="module")
def damaged(bench: Bench) -> Damaged:
    folder = bench.runs / "killed"
    with bench.started("run", *WORDS) as started:
        until(lambda: (folder / "journal").is_dir() and len(commits(folder)) >= KILLED_AFTER, "commits")
        cluster = started.cluster_folder()
        os.kill(started.process.pid, signal.SIGKILL)
        started.ended()
    shutil.rmtree(cluster, ignore_errors=True)
    shutil.copytree(folder, bench.folder / "whole")
    newest_first = commits(folder)[::-1]
    for commit, (spoil, _) in zip(newest_first, DAMAGES, strict=False):
        spoil(folder / commit.checkpoint)
    good = newest_first[len(DAMAGES)]
    (folder / good.checkpoint / "rank-7.safetensors").write_bytes(b"")
    return Damaged(folder, bench.folder / "whole", newest_first[: len(DAMAGES)], good)


@pytest.fixture(scope="module")
def verified(bench: Bench, damaged: Damaged) -> Ended:
    """What `--verify` says before the run goes on."""
    return bench.launcher("checkpoints", "killed", "--verify", "--json")


@pytest.fixture(scope="module")
def resumed(bench: Bench, damaged: Damaged, verified: Ended) -> Ended:
    return bench.launcher("run", *WORDS)


def test_every_damage_is_named_by_verify(damaged: Damaged, verified: Ended) -> None:
    assert (verified.code, verified.err) == (1, "")
    lines = {line["checkpoint"]: line for line in json.loads(verified.out)["commits"]}
    for commit, (_, told) in zip(damaged.spoilt, DAMAGES, strict=True):
        line = lines.pop(commit.checkpoint)
        assert line["wrong"]
        assert f"{damaged.folder}/{commit.checkpoint}" in line["state"]
        assert told in line["state"]
    assert {line["state"] for line in lines.values()} == {"verified"}
    (note,) = lines[damaged.good.checkpoint]["notes"]
    assert note.endswith("/rank-7.safetensors is no part of the checkpoint, and is not read")


def test_the_next_run_names_them_walks_past_them_and_ends(damaged: Damaged, resumed: Ended) -> None:
    assert (resumed.code, resumed.err) == (0, "")
    passed = [line for line in resumed.out.splitlines() if "is passed over: " in line]
    for line, commit, (_, told) in zip(passed, damaged.spoilt, DAMAGES, strict=True):
        assert line.startswith(f"the commit after step {commit.step} is passed over: ")
        assert told in line
    assert f"going on  after step {damaged.good.step}, from {damaged.good.checkpoint}" in resumed.out


def test_the_ledger_tells_both_attempts_and_proves_the_epochs(bench: Bench, resumed: Ended) -> None:
    assert resumed.code == 0, resumed.err
    ended = bench.launcher("checkpoints", "killed", "--verify", "--json")
    told = json.loads(ended.out)
    assert ended.code == 1, "the damaged commits of the first attempt are still there"
    first, second = told["attempts"]
    assert (first["closed"], second["cause"], second["exit_code"]) == (None, "done", 0)
    assert second["took_over"].startswith("its process ")
    assert {line["state"] for line in told["commits"] if line["attempt"] == 2} == {"verified"}
    assert told["commits"][-1]["checkpoint"] == "model"
    last = told["commits"][-2]
    documents = sum(line["consumed"] + line["left_out"] for line in told["epochs"])
    assert last["step"] == STEPS
    assert documents + last["places"][0]["documents"] == STEPS * 16
    assert [(line["epoch"], line["proof"]) for line in told["epochs"]] == [
        (epoch, "every document once") for epoch in range(2)
    ]
    listed = bench.launcher("checkpoints", "killed")
    assert listed.err == ""
    assert "entry  step  attempt  committed" in listed.out


def test_the_finished_model_is_exported(bench: Bench, damaged: Damaged, resumed: Ended) -> None:
    assert resumed.code == 0, resumed.err
    ended = bench.launcher("export", "killed", "--to", "exported")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("exported  model, ")
    own = load_file(damaged.folder / "model/model.safetensors")
    exported = load_file(bench.folder / "exported/model.safetensors")
    assert exported.keys() == own.keys()
    assert all(torch.equal(exported[name], own[name]) for name in own)
    again = bench.launcher("export", "killed", "--to", "exported")
    assert "is not empty" in the_one_line(again, code=2)


@pytest.mark.slow
def test_any_commit_is_exported_and_the_last_one_is_the_finished_model(
    bench: Bench, damaged: Damaged, resumed: Ended
) -> None:
    assert resumed.code == 0, resumed.err
    ended = bench.launcher("export", "killed", "--commit", str(STEPS), "--to", "last")
    assert (ended.code, ended.err) == (0, "")
    finished = AutoModelForCausalLM.from_pretrained(damaged.folder / "model").state_dict()
    last = AutoModelForCausalLM.from_pretrained(bench.folder / "last").state_dict()
    assert all(torch.equal(last[name], finished[name]) for name in finished)
    line = the_one_line(bench.launcher("export", "killed", "--commit", "7", "--to", "none"), code=2)
    assert "--commit: " in line
    assert "no live commit after step 7" in line
    assert not (bench.folder / "none").exists()


def test_a_run_that_has_not_ended_is_asked_by_its_newest_commit(bench: Bench, damaged: Damaged) -> None:
    ended = bench.launcher("predict", str(damaged.whole), "Shares fell sharply on Monday.", "--json")
    assert ended.code == 0, ended.err
    newest = damaged.spoilt[0].step
    assert ended.err == f"the run has not ended: from its commit after step {newest}\n"
    (answer,) = json.loads(ended.out)
    assert answer["base"]["probabilities"] != answer["tuned"]["probabilities"]


@pytest.mark.slow
def test_an_entry_that_is_cut_short_is_told_and_costs_nothing_but_a_word(bench: Bench, damaged: Damaged) -> None:
    copy = bench.folder / "elsewhere/killed"
    shutil.copytree(damaged.whole, copy)
    entry = copy / "journal/00000004.json"
    entry.write_bytes(entry.read_bytes()[:-50])
    told = bench.launcher("checkpoints", str(copy))
    assert (told.code, told.err) == (1, "")
    assert f"lost      {entry} is damaged" in told.out
    words = ("run", *WORDS, "cluster.storage=elsewhere")
    line = the_one_line(bench.launcher(*words), code=1)
    assert "journal/00000004.json is damaged" in line
    assert line.endswith("--takeover")
    ended = bench.launcher(*words, "--takeover")
    assert ended.code == 0, ended.err
    assert f"going on  after step {damaged.spoilt[0].step}" in ended.out
