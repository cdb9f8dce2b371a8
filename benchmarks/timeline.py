"""A picture of a run that saves: its steps, and what of each save they wait for.

A run of 60 steps of a Llama of 7 million weights saves 80 MB every 10 steps to an S3 server on the same cores.

    .venv/bin/python -m benchmarks.timeline [--to benchmarks/results/timeline.png]
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.checkpoint import s3_store
from benchmarks.killed import NEWS, make_model
from benchmarks.killing.launcher_side import write_recipe
from benchmarks.killing.side import ROWS
from launcher.checkpoint.entries import Commit
from launcher.draw.figure import Box, Dot, Figure, Words
from launcher.draw.figure import Path as Line
from launcher.draw.png import png
from launcher.draw.scale import Scale, short, ticks
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.faults.s3 import KEYS
from tests.faults.trial import StoreBench, Trial

WIDTH, LEFT, RIGHT = 900.0, 80.0, 860.0
ROWS_AT = {"steps": 30.0, "snapshot": 60.0, "upload": 90.0, "commit": 120.0}
AXIS = 150.0


@dataclass(frozen=True, slots=True)
class Save:
    """In seconds since the first step's end."""

    step: int
    snapshot: float
    upload: float
    commit: float
    size: int


def told_by(trial: Trial) -> tuple[list[float], list[Save]]:
    """When each step's record was written, and the saves."""
    events = list(read_events(trial.store))
    steps = [seconds(each) for each in events if each["kind"] == "step"]
    committed = {each.step: datetime.fromisoformat(each.time).timestamp() for each in trial.commits() if is_state(each)}
    saves = []
    for each in events:
        if each["kind"] == "commit":
            end = committed[each["committed"]] - steps[0]
            began = end - each["upload_s"]
            saves.append(Save(each["committed"], began - each["stall_s"], began, end, each["bytes"]))
    return [each - steps[0] for each in steps], saves


def is_state(commit: Commit) -> bool:
    return commit.checkpoint.startswith(CHECKPOINTS)


def seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def draw(steps: list[float], saves: list[Save]) -> Figure:
    end = max(steps[-1], *(each.commit for each in saves))
    scale = Scale(0.0, end, LEFT, RIGHT)
    figure = Figure("timeline", "Steps and saves, in seconds", "Steps go on while saves are uploaded", WIDTH, AXIS + 30)
    add = figure.shapes.append
    for name, y in ROWS_AT.items():
        add(Words(8, y, name, "muted"))
        add(Line(((LEFT, y), (RIGHT, y)), "grid"))
    for at in steps:
        add(Line(((scale.at(at), ROWS_AT["steps"] - 9), (scale.at(at), ROWS_AT["steps"] + 9)), "first"))
    for each in saves:
        x, y = scale.at(each.snapshot), ROWS_AT["snapshot"]
        add(Box(x, y - 8, max(scale.at(each.upload) - x, 1), 16, "bad"))
        x, y = scale.at(each.upload), ROWS_AT["upload"]
        add(Box(x, y - 8, scale.at(each.commit) - x, 16, "second"))
        add(Dot(scale.at(each.commit), ROWS_AT["commit"], 5, "good"))
        add(Words(scale.at(each.commit) + 8, ROWS_AT["commit"], str(each.step)))
    for value in ticks(0, end, 8):
        if value <= end:
            add(Words(scale.at(value), AXIS + 8, short(value), "muted", "middle"))
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("benchmarks/results/timeline.png"))
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder of real data and models")
    chosen = parser.parse_args()
    shared = chosen.shared.absolute()
    with tempfile.TemporaryDirectory(prefix="ll-bench-") as name, s3_store() as store:
        folder = Path(name)
        make_model(folder / "model", shared)
        lines = (shared / NEWS).read_text(encoding="latin-1").splitlines()[:ROWS]
        (folder / "rows.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in lines))
        write_recipe(folder / "killed.yaml", folder / "model", folder / "rows.jsonl")
        bench = StoreBench(folder, shared, {**KEYS, "AWS_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL"]})
        words = ("killed.yaml", "training.save_steps=10", f"cluster.storage={store.location}")
        trial = Trial(bench, words, 1, "timeline", Store.open(f"{store.location}/timeline"))
        trial.to_the_end()
        steps, saves = told_by(trial)
    for each in saves:
        stall, upload = each.upload - each.snapshot, each.commit - each.upload
        print(f"step {each.step}: {each.size / 1e6:.0f} MB, stall {stall * 1e3:.0f} ms, committed after {upload:.2f} s")
    chosen.to.write_bytes(png(draw(steps, saves)))
    print(chosen.to)


if __name__ == "__main__":
    main()
