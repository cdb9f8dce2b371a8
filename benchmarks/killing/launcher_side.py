"""The launcher, started again with the same `--run-id`."""

import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.killing.side import (
    BATCH,
    LENGTH,
    RATE,
    SAVE_STEPS,
    SEED,
    STEPS,
    Damage,
    Ended,
    Moment,
    cut,
    deleted,
    emptied,
    flipped,
)
from launcher.checkpoint.contents import MANIFEST
from launcher.checkpoint.entries import Commit
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.store import Store
from tests.faults.trial import StoreBench, Trial

RUN = "run"
STATE = "rank-0.safetensors"


def write_recipe(place: Path, model: Path, rows: Path) -> None:
    training = {
        "max_steps": STEPS,
        "max_length": LENGTH,
        "global_batch_size": BATCH,
        "per_device_train_batch_size": BATCH,
        "learning_rate": RATE,
        "seed": SEED,
        "save_steps": SAVE_STEPS,
        "save_total_limit": None,
    }
    recipe = {
        "name": "killed",
        "model": {"kind": "pretrained", "name_or_path": str(model)},
        "method": {"kind": "full"},
        "task": {"kind": "text"},
        "data": {"train": {"kind": "jsonl", "url": str(rows)}, "split": {"test_per_class": 8}},
        "strategy": {"kind": "ddp"},
        "training": training,
        "evaluation": {"classical": False},
    }
    place.write_text(yaml.safe_dump(recipe))


@dataclass(frozen=True)
class Launcher:
    recipe: Path
    shared: Path
    name: str = "llama-launcher"
    damages: tuple[Damage, ...] = (
        flipped(STATE),
        cut(STATE),
        emptied(STATE),
        deleted(STATE),
        deleted(MANIFEST),
        cut(MANIFEST),
        flipped(MANIFEST),
    )

    def run(self, folder: Path) -> Ended:
        trial = self._trial(folder)
        with trial.attempt() as attempt:
            ended = attempt.started.ended()
        told = [line for line in ended.out.splitlines() if "is passed over" in line or line.startswith("going on")]
        return Ended(ended.code, ended.err.strip() or "; ".join(told))

    def killed(self, folder: Path, moment: Moment, interval: float) -> None:
        trial = self._trial(folder)
        saves = folder / "runs" / RUN / CHECKPOINTS
        with trial.attempt() as attempt:
            there = attempt.until_training()
            step = moment.save * SAVE_STEPS  # or a later one, where that save was skipped
            begun = attempt.until(lambda: any(int(each.name.partition("-")[0]) >= step for each in saves.glob("*")))
            assert begun, "ended before it was killed"
            time.sleep(moment.seconds(interval))
            attempt.kill_all(there)

    def newest(self, folder: Path) -> Path:
        commits = [each for each in self._trial(folder).entries() if isinstance(each, Commit)]
        return folder / "runs" / RUN / commits[-1].checkpoint

    def weights(self, folder: Path) -> bytes:
        return b"".join(self._trial(folder).weights().values())

    def _trial(self, folder: Path) -> Trial:
        folder.mkdir(exist_ok=True)
        bench = StoreBench(folder, self.shared)
        return Trial(bench, (str(self.recipe),), 1, RUN, Store.open(str(bench.runs / RUN)))
