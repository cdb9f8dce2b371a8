"""From a command to its first step, beside TRL's SFTTrainer: same model, rows and method, files in the cache.

The launcher starts Ray and one worker, TRL is one process. What the launcher prints comes with its moment, as the
timeline of its last round. TRL needs another environment, as `benchmarks.loader` tells.

    .venv/bin/python -m benchmarks.start --peers-python PEERS/bin/python [--rounds 5] [--workers 1]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks.same_tune_trl import write_rows
from launcher.recipe.load import load_recipe
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe

RECIPE = "stories260k/sst2-lora"
OVERRIDES = ("training.max_steps=1", "training.save_strategy=no")
TEST = "a fine film\t1\na dull film\t0\n"
"""The launcher scores test rows before it trains, so there are two."""
TRL = Path(__file__).with_name("starting") / "trl_start.py"


def trl_s(python: str, recipe: Recipe, rows: Path, folder: Path) -> float:
    """Seconds to TRL's first step."""
    assert isinstance(recipe.model, Pretrained)
    batch = str(recipe.training.per_device_train_batch_size)
    command = [python, str(TRL), recipe.model.name_or_path, str(rows), batch, str(folder / "output")]
    began = time.time()
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("first step")]
    return float(line.split()[-1]) - began


def launcher_s(folder: Path, name: str, overrides: Sequence[str]) -> tuple[float, list[tuple[float, str]]]:
    """Seconds to the launcher's first step, and what it had printed by when."""
    words = ["run", RECIPE, "--run-id", name, f"cluster.storage={folder}/runs"]
    began = time.time()
    with subprocess.Popen(
        [sys.executable, "-m", "launcher", *words, *overrides], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        printed = [(time.time() - began, line.rstrip()) for line in running.stdout]
    if running.returncode:
        raise RuntimeError("\n".join(line for _, line in printed))
    events = sorted((folder / "runs" / name / "events").iterdir())
    told = [json.loads(line) for file in events for line in file.read_text().splitlines()]
    (first,) = [each for each in told if each["kind"] == "step" and each["step"] == 1]
    return datetime.fromisoformat(first["time"]).timestamp() - began, printed


def spread(name: str, seconds: Sequence[float]) -> str:
    return f"{name:<10} {median(seconds):5.1f} s  ({min(seconds):.1f} to {max(seconds):.1f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="start-") as made:
        folder = Path(made)
        (folder / "test.tsv").write_text(TEST)
        overrides = [*OVERRIDES, f"data.test.url={folder}/test.tsv", f"cluster.workers={chosen.workers}"]
        recipe = load_recipe(RECIPE, [each for each in overrides if not each.startswith("cluster.")])
        write_rows(recipe, folder / "rows.jsonl")
        printed: list[tuple[float, str]] = []
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(chosen.rounds + 1):
            took, printed = launcher_s(folder, f"round-{number}", overrides)
            peer = trl_s(chosen.peers_python, recipe, folder / "rows.jsonl", folder)
            if number:  # the first round fills the file cache, and prepares the data
                ours.append(took)
                theirs.append(peer)
    for moment, line in printed:
        print(f"{moment:6.1f} s  {line[:100]}")
    print(spread("launcher", ours))
    print(spread("TRL", theirs))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    print(f"ratio      {median(ratios):5.2f}    ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
