"""What no loader can beat, and the plain loop that ours is held against."""

import time

import numpy as np

from benchmarks.loading.documents import Documents
from benchmarks.loading.rounds import Pass

BUFFER = 1 << 16
"""Tokens that a consumer holds: what is gathered is copied into it, and over what was there."""


def memcpy(documents: Documents) -> Pass:
    """All tokens into memory that is there already."""
    view, target = documents.tokens.view(np.ndarray), np.empty(len(documents.tokens), np.uint16)
    target.fill(0)
    started = time.perf_counter()
    np.copyto(target, view)
    return Pass(len(view), time.perf_counter() - started)


def gather(documents: Documents) -> Pass:
    """Each document by a slice of the memory map, in random order: what a plain shuffled loader does."""
    order = np.random.default_rng(2).permutation(len(documents))
    tokens, starts, buffer = documents.tokens, documents.starts, np.empty(BUFFER, np.uint16)
    at = total = 0
    started = time.perf_counter()
    for document in order:
        begin, end = starts[document], starts[document + 1]
        length = int(end - begin)
        if at + length > BUFFER:
            at = 0
        buffer[at : at + length] = tokens[begin:end]
        at += length
        total += length
    return Pass(total, time.perf_counter() - started)


def tuned_gather(documents: Documents) -> Pass:
    """The same loop without what makes numpy slow: no subclass of arrays, Python's own integers, ends worked out."""
    order = np.random.default_rng(2).permutation(len(documents))
    begins, ends = documents.starts[order].tolist(), documents.starts[order + 1].tolist()
    tokens, buffer = documents.tokens.view(np.ndarray), np.empty(BUFFER, np.uint16)
    at = total = 0
    started = time.perf_counter()
    for begin, end in zip(begins, ends, strict=True):
        length = end - begin
        if at + length > BUFFER:
            at = 0
        buffer[at : at + length] = tokens[begin:end]
        at += length
        total += length
    return Pass(total, time.perf_counter() - started)
