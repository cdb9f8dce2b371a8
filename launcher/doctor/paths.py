"""Paths that all machines have to see: the storage, and what the recipe names on a file system."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, Verdict
from launcher.storage.client import single_try
from launcher.storage.retry import one_line
from launcher.storage.store import Store

NAME = "paths"
WORD = b"can you read this?"


@dataclass(frozen=True, slots=True)
class Look:
    blind: str | None
    """Why the driver's object cannot be read; None where it can."""
    wrote: str
    """Name of an object that the driver should see."""
    absent: tuple[str, ...]
    """Of the recipe's paths."""


def look(ask: Ask) -> Look:
    store = single_try(Store.open(ask.storage))
    wrote, blind = f"{ask.probe}/seen-by-{ask.number}", None
    try:
        store.read(f"{ask.probe}/driver")
    except Exception as error:  # every store's client has errors of its own
        blind = one_line(error)
    store.write(wrote, WORD)
    absent = [path for _, path in ask.paths if not os.access(Path(path).expanduser(), os.R_OK)]
    return Look(blind, wrote, tuple(absent))


def check(nodes: Nodes, ask: Ask) -> Iterator[Verdict]:
    store = single_try(Store.open(ask.storage))
    try:
        store.write(f"{ask.probe}/driver", WORD)
    except Exception as error:  # every store's client has errors of its own
        yield Verdict(NAME, "not here", "", f"the driver itself cannot write: {one_line(error)}")
        return
    answers = nodes.each(look, ask)
    yield from answers.failures(NAME)
    yield from judge(answers.told, set(store.list(ask.probe)), ask)


def judge(told: Mapping[str, Look], seen: set[str], ask: Ask) -> Iterator[Verdict]:
    """Args:
    seen: Names of the objects that the driver sees.
    """
    for host, found in told.items():
        wrong = False
        if found.blind is not None or found.wrote not in seen:
            wrong = True
            why = found.blind or "what it writes there is not seen by the driver"
            mend = "give cluster.storage a file system that all machines share, or a bucket"
            yield Verdict(NAME, "fail", host, f"{ask.storage} is not the driver's: {why}", "shared by all", mend)
        for key, path in ask.paths:
            if path in found.absent:
                wrong = True
                mend = f"put {key} on a file system that all machines share, or give a URL or hub id"
                yield Verdict(NAME, "fail", host, f"{key}: {path} cannot be read", "seen by all machines", mend)
        if not wrong:
            yield Verdict(NAME, "ok", host, "sees storage" + " and the recipe's paths" * bool(ask.paths))
