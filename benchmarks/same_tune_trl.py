"""One fine-tune by the launcher and by TRL's SFTTrainer: same base, rows, tokens, seed, schedule and steps.

The rows are those of a shipped recipe (Financial PhraseBank, QLoRA in NF4), as the launcher makes token ids of them.
Both adapters are scored by `launcher evaluate` on the same 900 test rows. Order of the rows and first weights of the
adapters differ, as each side draws its own. TRL needs another environment, as `benchmarks.loader` tells.

    .venv/bin/python -m benchmarks.same_tune_trl --peers-python PEERS/bin/python [KEY=VALUE ...]
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launcher.data.dataset import load_dataset
from launcher.data.encode import IGNORED, encode_rows
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.load import load_recipe
from launcher.recipe.method import QLora
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe

RECIPE = "stories260k/financial-phrasebank-qlora"
TRAINING = Path(__file__).with_name("same_tune") / "trl_training.py"


def launcher(*words: str) -> str:
    """What a verb prints."""
    command = [sys.executable, "-m", "launcher", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def write_rows(recipe: Recipe, file: Path) -> int:
    """The training rows as TRL takes them when they are token ids already; returns their number."""
    assert isinstance(recipe.model, Pretrained)
    tokenizer = load_tokenizer(Path(recipe.model.name_or_path), recipe.model)
    rows = list(encode_rows(load_dataset(recipe).train, recipe.task, tokenizer, recipe.training.max_length))
    told = [
        {"input_ids": row.input_ids, "completion_mask": [int(label != IGNORED) for label in row.labels]} for row in rows
    ]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in told))
    return len(told)


def settings(recipe: Recipe, folder: Path, rows: int) -> dict[str, Any]:
    """What the peer is told; the recipe's, in its words."""
    training, method = recipe.training, recipe.method
    assert isinstance(method, QLora)
    assert isinstance(recipe.model, Pretrained)
    assert training.global_batch_size is not None
    assert training.num_train_epochs is not None
    steps = training.max_steps or math.ceil(training.num_train_epochs * math.ceil(rows / training.global_batch_size))
    return {
        "model": recipe.model.name_or_path,
        "rows": str(folder / "rows.jsonl"),
        "output": str(folder / "output"),
        "adapter": str(folder / "adapter"),
        "steps": steps,
        "batch": training.global_batch_size,
        "max_length": training.max_length,
        "learning_rate": training.learning_rate,
        "warmup_steps": math.ceil((training.warmup_ratio or 0) * steps),
        "seed": training.seed,
        "r": method.r,
        "lora_alpha": method.lora_alpha,
    }


def told(name: str, scores: Mapping[str, Any], steps: int, seconds: float) -> str:
    accuracy = f"{scores['accuracy']:.3f} [{scores['accuracy_low']:.3f}, {scores['accuracy_high']:.3f}]"
    f1 = f"{scores['macro_f1']:.3f} [{scores['macro_f1_low']:.3f}, {scores['macro_f1_high']:.3f}]"
    return f"{name:<16} accuracy {accuracy}  macro-F1 {f1}  {steps} steps, {seconds:.0f} s with its start"


def within(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether each lies in the other's interval, by accuracy and by macro-F1."""
    return all(
        there[f"{score}_low"] <= here[score] <= there[f"{score}_high"]
        for score in ("accuracy", "macro_f1")
        for here, there in ((one, other), (other, one))
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers-python", required=True)
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*")
    chosen = parser.parse_args(arguments)
    recipe = load_recipe(RECIPE, chosen.overrides)
    with tempfile.TemporaryDirectory(prefix="same-tune-") as made:
        folder = Path(made)
        own = settings(recipe, folder, write_rows(recipe, folder / "rows.jsonl"))
        (folder / "settings.json").write_text(json.dumps(own))
        start = time.monotonic()
        peer = [chosen.peers_python, str(TRAINING), str(folder / "settings.json")]
        subprocess.run(peer, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL)
        peer_s = time.monotonic() - start
        evaluated = launcher("evaluate", own["adapter"], "--recipe", RECIPE, "--json", *chosen.overrides)
        theirs = json.loads(evaluated)["labelled"]["tuned"]
        print(told("TRL SFTTrainer", theirs, own["steps"], peer_s), flush=True)
        start = time.monotonic()
        launcher("run", RECIPE, "--run-id", "ours", f"cluster.storage={folder}/runs", *chosen.overrides)
        ours = json.loads((folder / "runs/ours/evaluation/metrics.json").read_text())["tuned"]
        steps = json.loads(launcher("compare", f"{folder}/runs/ours", "--json"))[0]["steps"]
        print(told("launcher", ours, steps, time.monotonic() - start))
        print(f"each within the other's 95 % interval: {'yes' if within(ours, theirs) else 'no'}")


if __name__ == "__main__":
    main()
