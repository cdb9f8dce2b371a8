"""Tokens a second from a local disk whose pages are in memory: references, ours and the peers, in turn."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from benchmarks.loading import ours, references
from benchmarks.loading.bench import Bench
from benchmarks.loading.peer import Peer, installed
from benchmarks.loading.rounds import Found, Pass, goal, in_turn, ratio, table
from launcher.data.prepared.opened import PreparedSet, open_prepared

CAPACITIES = (2_048, 4_096)
PEER_SECONDS = 2.0
"""A peer's pass ends with the data or with this."""
GATHER, MEMCPY, OURS = "gather from a memory map", "memcpy", "launcher: packed, shuffled, with cursor"
MOSAIC, LIT, BLOCKS = "mosaicml-streaming, by document", "LitData, by document", "LitData, blocks of tokens"
TRL = "Hugging Face, shuffled and packed by TRL"


def warm(bench: Bench) -> None:
    """Print a table for each capacity."""
    documents = bench.large
    opened = open_prepared(documents.prepared, None)
    print(f"{len(documents):,} documents of {len(documents.tokens):,} tokens, {bench.rounds} rounds in turn")
    with ExitStack() as stack:
        peers = installed(bench.peers_python, documents.folder, stack)
        for each in peers.values():
            each.ask("write")
        for capacity in CAPACITIES:
            sides: dict[str, Callable[[], Pass]] = {
                MEMCPY: partial(references.memcpy, documents),
                GATHER: partial(references.gather, documents),
                "the same loop, tuned": partial(references.tuned_gather, documents),
                OURS: partial(packed_pass, opened, capacity),
                "launcher, without positions and tensors": partial(gathered_pass, opened, capacity),
                **_peer_sides(peers, capacity),
            }
            found = in_turn(sides, bench.rounds)
            print(f"\nCapacity {capacity:,}:\n")
            print(table(found, {"memcpy": MEMCPY, "gather": GATHER}), end="\n\n")
            print("\n".join(_goals(found)), flush=True)


def packed_pass(opened: PreparedSet, capacity: int) -> Pass:
    """An epoch of ours as tensors, from opening the stream to the last batch; every token must have come."""
    started = time.perf_counter()
    tokens = rows = 0
    for batch, _ in ours.batches(opened, capacity):
        tokens += batch.tokens
        rows += len(batch.input_ids)
    assert tokens == opened.manifest.totals.tokens
    return Pass(tokens, time.perf_counter() - started, tokens / (rows * capacity))


def gathered_pass(opened: PreparedSet, capacity: int) -> Pass:
    """The same, but for positions and tensors."""
    started = time.perf_counter()
    tokens = sum(int(packs.filled.sum()) for packs, _ in ours.gathered(opened, capacity))
    return Pass(tokens, time.perf_counter() - started)


def _peer_sides(peers: dict[str, Peer], capacity: int) -> dict[str, Callable[[], Pass]]:
    asked = {
        MOSAIC: ("mosaicml-streaming", {}),
        LIT: ("LitData", {"kind": "documents"}),
        BLOCKS: ("LitData", {"kind": "blocks"}),
        "Hugging Face, shuffled, by document": ("Hugging Face + TRL", {"kind": "documents"}),
        TRL: ("Hugging Face + TRL", {"kind": "packed"}),
    }
    return {
        side: partial(_peer_pass, peers[name], capacity, options)
        for side, (name, options) in asked.items()
        if name in peers
    }


def _peer_pass(peer: Peer, capacity: int, options: dict[str, str]) -> Pass:
    return Pass(**peer.ask("read", seconds=PEER_SECONDS, capacity=capacity, **options))


def _goals(found: Found) -> list[str]:
    limits = {GATHER: 1.0, MOSAIC: 10.0, LIT: 2.0, TRL: 5.0}
    return [goal(f"ours / {side}", ratio(found, OURS, side), limit) for side, limit in limits.items() if side in found]
