"""What packs save: the same documents through a small Llama packed, padded, and padded to others of like length.

Lengths are log-normal, or those of a file's lines. One process, one thread, CPU; every round runs all ways in
turn. Printed: the median over rounds of the seconds for all documents, forward and backward, as a ratio to
the packed ones'.

    .venv/bin/python -m benchmarks.packed_step [--model FOLDER] [--texts FILE] [--rounds 5] [--documents 160]
                                               [--capacity 512]
"""

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.stepping.work import write_base
from launcher.data.batch import Batch
from launcher.data.encode import Example
from launcher.data.packed_batch import PackedBatch, collate_packs
from launcher.data.stream.pack import best_fit_decreasing
from launcher.model.packing import use_varlen
from launcher.train.loss import summed_loss
from tests.packs import collate, gathered

PACKS_A_BATCH = 4
Batches = list[Batch] | list[PackedBatch]


def log_normal(count: int, capacity: int) -> list[Example]:
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(4.7, 0.8, count).astype(int), 2, capacity)
    ids = [generator.integers(3, 512, length).tolist() for length in lengths]
    return [Example(each, each, truncated=False) for each in ids]


def lines(file: Path, model: Path, count: int, capacity: int) -> list[Example]:
    """Some lines of a text, in the tokens of a model."""
    texts = random.Random(0).sample(file.read_text(encoding="latin-1").splitlines(), count)
    ids = [each[:capacity] for each in AutoTokenizer.from_pretrained(model)(texts).input_ids]
    return [Example(each, each, truncated=False) for each in ids]


def packed(rows: list[Example], capacity: int) -> list[PackedBatch]:
    chosen = best_fit_decreasing(np.array([len(row.input_ids) for row in rows]), capacity)
    packs = [[rows[row] for row in np.flatnonzero(chosen == pack)] for pack in range(int(chosen.max()) + 1)]
    fill = sum(len(row.input_ids) for row in rows) / (len(packs) * capacity)
    print(f"{len(rows)} documents in {len(packs)} packs of {capacity}, {fill:.3f} full")
    return [
        collate_packs(gathered(packs[at : at + PACKS_A_BATCH], pad_id=0)) for at in range(0, len(packs), PACKS_A_BATCH)
    ]


def padded(rows: list[Example], batches: int) -> list[Batch]:
    size = -(-len(rows) // batches)
    return [collate(rows[at : at + size], 0) for at in range(0, len(rows), size)]


def seconds(model: nn.Module, batches: Batches) -> float:
    start = time.perf_counter()
    for batch in batches:
        summed_loss(model, batch).backward()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="without one, a Llama of five million random weights")
    parser.add_argument("--texts", type=Path, help="a document a line; needs a model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=160)
    parser.add_argument("--capacity", type=int, default=512)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if chosen.model is None:
            write_base(Path(folder))
        base = chosen.model or Path(folder)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, use_cache=False).train()
    rows = log_normal(chosen.documents, chosen.capacity)
    if chosen.texts is not None:
        rows = lines(chosen.texts, chosen.model, chosen.documents, chosen.capacity)
    compare(model, rows, chosen.capacity, chosen.rounds)


def compare(model: Any, rows: list[Example], capacity: int, rounds: int) -> None:
    torch.set_num_threads(1)
    assert use_varlen(model, torch.device("cpu"), torch.float32), "as the launcher does"
    ways: dict[str, Batches] = {"packed": packed(rows, capacity)}
    ways["padded"] = padded(rows, len(ways["packed"]))
    ways["length-grouped"] = padded(sorted(rows, key=lambda row: len(row.input_ids)), len(ways["packed"]))
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(-1, rounds):  # the first round warms up and does not count
        taken = {way: seconds(model, batches) for way, batches in ways.items()}
        for way in ways if number >= 0 else ():
            found[way].append(taken[way] / taken["packed"])
    tokens = sum(len(row.input_ids) for row in rows)
    print(f"{'way':<15} {'median':>7} {'min':>7} {'max':>7}   seconds / packed seconds, {rounds} rounds")
    for way, ratios in found.items():
        computed = sum(batch.input_ids.numel() for batch in ways[way])
        spread = f"{statistics.median(ratios):>7.2f} {min(ratios):>7.2f} {max(ratios):>7.2f}"
        print(f"{way:<15} {spread}   {tokens / computed:.3f} of the tokens computed are documents'")


if __name__ == "__main__":
    main()
