"""Training speed of one GPU, beside a plain loop of transformers and peft and TRL's SFTTrainer.

Random weights in a known shape, written once to a temporary folder; bf16, rows of packed documents, one row a step, so
that every side computes the same tokens. Each side is a process of its own, and every round runs all of them in turn.
Printed: tokens a second, their ratio to the plain loop's in the same round (median, smallest and largest), the share of
the GPU's peak, and the most that torch had allocated. Where liger-kernel is installed, the launcher runs with its
kernels too. Without a GPU the same path runs with a tiny shape.

    python -m benchmarks.gpu [--shapes llama-2-7b llama-3.1-8b llama-3.2-1b] [--methods full lora qlora]
                             [--tokens 4096] [--steps 20] [--rounds 3] [--checkpointing]
                             [--peers-python PEERS/bin/python]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_step.launcher_side import METHODS, recipe_of
from benchmarks.gpu_step.work import Asked
from benchmarks.random_base import TINY, write_base
from launcher.plan.flops import flops_per_token, peak_flops
from launcher.plan.parameters import count_parameters
from launcher.plan.shapes import KNOWN

GIB = 2**30
LIGER = "launcher, Liger"
SIDES = {"plain": "plain_side", "launcher": "launcher_side", LIGER: "launcher_side", "TRL": "trl_side"}


@dataclass(frozen=True)
class Found:
    step_s: float
    """The median."""
    peak: int | None
    """Bytes."""


def run_side(python: str, side: str, asked: Asked) -> Found | str:
    """What a side takes, or why it did not run."""
    words = replace(asked, liger=side == LIGER).words()
    command = [python, "-m", f"benchmarks.gpu_step.{SIDES[side]}", *words]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    if SIDES[side] == "launcher_side":
        environment["LOCAL_RANK"] = "0"  # to the others it means that a launcher of ranks started them
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1][:80]
    return Found(**json.loads(done.stdout.strip().splitlines()[-1]))


def operations(asked: Asked, shape: dict[str, Any]) -> float:
    """Floating-point operations of a step: attention stays inside a document."""
    made = recipe_of(asked)
    count = count_parameters(shape, made.method, made.task)
    assert count is not None
    return asked.tokens * flops_per_token(shape, count, made.method, asked.document)


def told(side: str, found: list[Found], plain: list[Found] | None, asked: Asked, shape: dict[str, Any]) -> str:
    step_s = statistics.median(each.step_s for each in found)
    cells = [side, f"{asked.tokens / step_s:,.0f}"]
    if plain is None:
        cells.append("")
    else:
        ratios = [other.step_s / each.step_s for each, other in zip(found, plain, strict=True)]
        cells.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    peak = peak_flops(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
    cells.append("not measured" if peak is None else f"{operations(asked, shape) / step_s / peak:.2f}")
    most = [each.peak for each in found if each.peak is not None]
    cells.append(f"{max(most) / GIB:.1f}" if most else "not measured")
    return " | ".join(cells)


def case(name: str, asked: Asked, shape: dict[str, Any], pythons: dict[str, str], rounds: int) -> None:
    """One row for each side."""
    taken: dict[str, list[Found]] = {side: [] for side in pythons}
    failed: dict[str, str] = {}
    for _ in range(rounds):
        for side in [each for each in pythons if each not in failed]:
            found = run_side(pythons[side], side, asked)
            if isinstance(found, str):
                failed[side] = found
            else:
                taken[side].append(found)
    for side in pythons:
        if side in failed:
            row = f"{side} | {failed[side]} | | | "
        else:
            row = told(side, taken[side], None if "plain" in failed else taken["plain"], asked, shape)
        print(f"| {name} | {asked.method} | {row} |", flush=True)


def main() -> None:
    known = [name for name in KNOWN if "llama" in name]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", choices=known, default=["llama-3.2-1b", "llama-3.1-8b", "llama-2-7b"])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing on every side")
    parser.add_argument("--peers-python", type=Path, help="Python of TRL's environment; left out without it")
    chosen = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    shapes = {name: KNOWN[name] for name in chosen.shapes} if on_gpu else {"tiny": TINY}
    pythons = {"plain": sys.executable, "launcher": sys.executable}
    if on_gpu and find_spec("liger_kernel"):
        pythons[LIGER] = sys.executable
    if chosen.peers_python is not None:
        pythons["TRL"] = str(chosen.peers_python.absolute())
    name = torch.cuda.get_device_name() if on_gpu else "CPU"
    print(f"{name}, torch {torch.__version__}, rows of {chosen.tokens:,} tokens, {chosen.rounds} rounds\n")
    print("| shape | method | side | tokens/s | to the plain loop | of the peak | peak GiB |\n" + "|---" * 7 + "|")
    for shape_name, shape in shapes.items():
        with tempfile.TemporaryDirectory() as folder:
            write_base(Path(folder), shape, torch.device("cuda" if on_gpu else "cpu"))
            for method in chosen.methods:
                asked = Asked(Path(folder), method, chosen.steps, chosen.tokens, chosen.checkpointing)
                case(shape_name, asked, shape, pythons, chosen.rounds)


if __name__ == "__main__":
    main()
