"""What has to be true of a run in the end, whatever happened to it."""

import re
from pathlib import Path

from launcher.chaos.same import last_manifest
from launcher.checkpoint.entries import Commit, Entry, Open
from launcher.data.prepared.opened import open_prepared
from launcher.data.stream.consumed import whole_epoch
from launcher.data.stream.packing import Packing
from launcher.storage.store import Store
from launcher.train.resuming import Progress
from tests.faults.trial import Trial

GOING_ON = re.compile(r"^going on  after step (\d+), from (\S+)$", re.MULTILINE)


def commits_before(entries: list[Entry], attempt: int) -> list[Commit]:
    """What was committed when an attempt opened the run."""
    (place,) = [number for number, each in enumerate(entries) if isinstance(each, Open) and each.attempt == attempt]
    return [each for each in entries[:place] if isinstance(each, Commit)]


def check_went_on(trial: Trial, attempt: int, out: str) -> int:
    """The attempt went on from the newest commit that there was; returns its step, 0 for the beginning."""
    before = commits_before(trial.entries(), attempt)
    found = GOING_ON.search(out)
    if not before:
        assert found is None
        return 0
    assert found is not None, out
    assert (int(found[1]), found[2]) == (before[-1].step, before[-1].checkpoint)
    return before[-1].step


def check_every_document_once(trial: Trial, scratch: Path) -> int:
    """From the last commit's manifest: each ended epoch saw every document once; returns the number of epochs."""
    manifest = last_manifest(trial.store)
    progress = Progress.from_json(manifest.state)
    (url,) = manifest.origin.data
    told = dict(manifest.origin.data[url])
    told.pop("manifest")
    whole = whole_epoch(open_prepared(Store.open(url), scratch).index, Packing(**told))
    assert whole.documents > 0
    assert [each.epoch for each in progress.ended] == list(range(len(progress.ended)))
    for each in progress.ended:
        assert each.consumed + each.left_out == whole
    return len(progress.ended)


def check_same(trial: Trial, undisturbed: Trial) -> None:
    """Weights bit for bit, and every step's loss, tokens and learning rate."""
    shown = ("loss", "tokens", "learning_rate", "grad_norm")
    steps, wanted = trial.steps(), undisturbed.steps()
    assert steps.keys() == wanted.keys()
    different = [step for step in wanted if any(steps[step][name] != wanted[step][name] for name in shown)]
    assert different == []
    assert trial.weights() == undisturbed.weights()
