"""What the peers' scripts share. They run in another environment than ours, and import nothing of the launcher."""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FOLDER = Path(sys.argv[1])
LOOK = 32
"""Samples between two looks at the clock."""
Answer = dict[str, Any]
Samples = Iterable[npt.ArrayLike]


def documents() -> Iterator[npt.NDArray[np.uint16]]:
    starts = np.load(FOLDER / "starts.npy").tolist()
    tokens = np.load(FOLDER / "tokens.npy", mmap_mode="r").view(np.ndarray)
    for begin, end in pairwise(starts):
        yield tokens[begin:end]


def serve(version: str, handlers: Mapping[str, Callable[..., Answer]]) -> None:
    """Answer requests until there are no more. What libraries print goes to the log."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"version": version}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request.pop("do")](**request)), file=answers, flush=True)


def measure(samples: Samples, seconds: float, width: int | None = None) -> Answer:
    """Copy samples into a buffer for some seconds, or to their end.

    The clock starts at the first sample, so what a loader does before it does not count.

    Args:
        width: Tokens that a sample holds, where it has a fixed size.
    """
    source = (sample for sample in samples)  # LitData starts anew with every call of iter()
    buffer = np.empty(1 << 16, np.int32)
    first = np.asarray(next(source))
    buffer[: len(first)] = first
    tokens = count = 0
    started = now = time.perf_counter()
    while now - started < seconds:
        some = 0
        for sample in islice(source, LOOK):
            length = len(sample)  # type: ignore[arg-type]
            buffer[:length] = sample
            tokens += length
            some += 1
        count += some
        now = time.perf_counter()
        if some < LOOK:
            break
    return {"tokens": tokens, "seconds": now - started, "fill": tokens / (count * width) if width else None}


def resume(
    samples: Iterable[npt.ArrayLike],
    at: int,
    state: Callable[[], Any],
    restart: Callable[[Any], Iterator[npt.ArrayLike]],
) -> Answer:
    """Whether a resume after `at` samples goes on with the sample that is next without one, and how long that takes;
    `ended` where it has no samples left.

    Args:
        state: What the loader would store after those samples.
        restart: Makes a reading anew from such a state.
    """
    reading = (sample for sample in samples)
    deque(islice(reading, at), maxlen=0)
    stored = state()
    expected = np.asarray(next(reading))
    started = time.perf_counter()
    found = next(iter(restart(stored)), None)
    seconds = time.perf_counter() - started
    same = found is not None and np.array_equal(np.asarray(found), expected)
    return {"same": bool(same), "ended": found is None, "seconds": seconds}
