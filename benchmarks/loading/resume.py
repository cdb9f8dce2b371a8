"""What a resume costs and whether it goes on with the very next sample, at the beginning of an epoch and at its end."""

import statistics
import time
from contextlib import ExitStack, closing
from typing import Any

import torch

from benchmarks.loading import ours
from benchmarks.loading.bench import Bench
from benchmarks.loading.peer import Peer, installed
from benchmarks.loading.rounds import goal
from launcher.data.packed_batch import PackedBatch
from launcher.data.prepared.opened import PreparedSet, open_prepared
from launcher.data.stream.cursor import Cursor

CAPACITY = 2_048
EARLY, LATE = 0.01, 0.99
"""Shares of an epoch."""
ROUNDS = 15
PEERS: dict[str, tuple[str, dict[str, str]]] = {
    "mosaicml-streaming, by document, shuffled": ("mosaicml-streaming", {}),
    "LitData, by document, shuffled": ("LitData", {"kind": "documents"}),
    "LitData, blocks of tokens, shuffled": ("LitData", {"kind": "blocks"}),
    "Hugging Face, in order": ("Hugging Face + TRL", {"kind": "in order"}),
    "Hugging Face, shuffled": ("Hugging Face + TRL", {"kind": "documents"}),
    "Hugging Face, shuffled and packed by TRL": ("Hugging Face + TRL", {"kind": "packed"}),
}


def resume(bench: Bench) -> None:
    """Print a table: seconds from a stored state to the first batch or sample, and whether it is the next one."""
    opened = open_prepared(bench.large.prepared, None)
    states = {share: _state(opened, share) for share in (EARLY, LATE)}
    seconds: dict[float, list[float]] = {share: [] for share in states}
    same = dict.fromkeys(states, True)
    for number in range(ROUNDS + 1):
        for share, (state, expected) in states.items():
            taken, found = _resumed(opened, state)
            same[share] &= _equal(found, expected)
            if number:
                seconds[share].append(taken)
    print("| loader | 1 %: ms | next sample | 99 %: ms | next sample |\n|---|---|---|---|---|")
    medians = [statistics.median(seconds[share]) for share in states]
    answers = [{"seconds": median, "same": same[share]} for median, share in zip(medians, states, strict=True)]
    _print_row("launcher: packed, shuffled", answers)
    with ExitStack() as stack:
        peers = installed(bench.peers_python, bench.small.folder, stack)
        for each in peers.values():
            each.ask("write")
        for side, (name, options) in PEERS.items():
            if name in peers:
                _print_row(side, [_ask(peers[name], bench, share, options) for share in states])
    sizes = [len(state) for state, _ in states.values()]
    print(f"\ncursor: {sizes[0]} bytes at 1 %, {sizes[1]} at 99 %; {ROUNDS} rounds")
    print(goal("resume at 99 % / at 1 %", medians[1] / medians[0], 1.1, most=True))


def _state(opened: PreparedSet, share: float) -> tuple[bytes, PackedBatch]:
    """The stored cursor in front of that share of an epoch, and the batch that an undisturbed run takes there."""
    wanted = share * opened.manifest.totals.documents
    state = b""
    for batch, cursor in ours.batches(opened, CAPACITY):
        if state and cursor.to_json() != state:
            return state, batch
        if not state and cursor.consumed.documents >= wanted:
            state = cursor.to_json()
    raise SystemExit(f"--documents: no step is left after {share:.0%} of the epoch; give more")


def _resumed(opened: PreparedSet, state: bytes) -> tuple[float, PackedBatch]:
    started = time.perf_counter()
    with closing(ours.batches(opened, CAPACITY, Cursor.from_json(state, "the stored cursor"))) as reading:
        batch, _ = next(reading)
        return time.perf_counter() - started, batch


def _equal(one: PackedBatch, other: PackedBatch) -> bool:
    names = ("input_ids", "position_ids", "labels", "cu_seqlens")
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)


def _ask(peer: Peer, bench: Bench, share: float, options: dict[str, str]) -> dict[str, Any]:
    """Documents are counted, or as many rows as hold their tokens."""
    kind, documents = options.get("kind"), bench.small
    rows = len(documents.tokens) // CAPACITY if kind in {"blocks", "packed"} else len(documents)
    return peer.ask("resume_at", at=int(share * rows), capacity=CAPACITY, **options)


def _print_row(side: str, answers: list[dict[str, Any]]) -> None:
    told = ["yes" if answer["same"] else "no: it ends" if answer.get("ended") else "no" for answer in answers]
    cells = [f"{answer['seconds'] * 1e3:.1f} | {same}" for answer, same in zip(answers, told, strict=True)]
    print(f"| {side} | {' | '.join(cells)} |", flush=True)
