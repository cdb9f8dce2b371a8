"""Kinds of failures: how each is recognised, whether the run goes on by itself, and what a person can do about it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["retry", "elsewhere", "stop"]
"""`elsewhere`: on other machines where there are enough, and else as `retry`."""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    verdict: Verdict
    mend: str
    """Empty where the message has one of its own."""
    types: frozenset[str] = frozenset()
    """Names of exceptions: any class of the exception's is enough."""
    pattern: str | None = None
    """Of its class and message on one line."""


def _types(*names: str) -> frozenset[str]:
    return frozenset(names)


KINDS = (
    Kind("owned", "stop", "", _types("RunOwned")),
    Kind("roll-back", "retry", "", _types("RollBack")),
    Kind("diverged", "stop", "", _types("Diverged")),
    Kind("hung", "elsewhere", "", _types("Hung")),
    Kind("user-error", "stop", "", _types("InvalidInput")),
    Kind(
        "gpu-memory",
        "retry",
        "lower training.per_device_train_batch_size or training.max_length, or take a higher zero_stage",
        _types("OutOfMemoryError"),
        r"CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED",
    ),
    Kind(
        "host-memory",
        "elsewhere",
        "use machines with more memory, or fewer ranks on each",
        _types("MemoryError"),
        r"Cannot allocate memory|can't allocate memory|no room in host memory",
    ),
    Kind(
        "disk-full",
        "elsewhere",
        "make room, or name another cluster.cache_folder or cluster.storage",
        pattern=r"No space left on device|Disk quota exceeded",
    ),
    Kind(
        "import",
        "stop",
        "install what is missing on every machine, in the versions of constraints.txt",
        _types("ImportError", "ModuleNotFoundError"),
    ),
    Kind(
        "bad-data",
        "retry",
        "prepare the data again, or leave the block out: data.corrupt_blocks=quarantine",
        _types("CorruptBlock"),
    ),
    Kind("damaged-commit", "retry", "", _types("Damaged", "Incomplete", "NotAsWritten")),
    Kind(
        "storage-refused",
        "stop",
        "give credentials that may read and write there",
        _types("PermissionError", "NoCredentialsError", "ForbiddenError"),
        r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|\b40[13]\b.*(Forbidden|Unauthorized)",
    ),
    Kind(
        "storage-absent",
        "retry",
        "",
        _types("StoreFailed", "CannotRead", "CannotWrite", "CannotRemove"),
        r"NoSuchBucket",
    ),
    Kind(
        "collective",
        "elsewhere",
        "look at the network between the machines, and at the ranks' logs for one that had stopped before",
        pattern=r"DistBackendError|NCCL|[Gg]loo|[Tt]imed out waiting|Connection (closed by|reset by) peer|Broken pipe",
    ),
)
"""The first row that fits holds."""
LOST = Kind("lost", "elsewhere", "see whether the machine has memory left and its kernel's log (dmesg)")
"""A rank that died without a word: killed, or its machine is gone."""
OTHER = Kind("other", "retry", "")
"""What no row knows."""
NAMED = {each.name: each for each in (*KINDS, LOST, OTHER)}


def kind_of(types: Collection[str], line: str) -> Kind:
    """The kind of an exception.

    Args:
        types: Names of its class and of those that it comes from.
        line: Its class and message on one line.
    """
    return next((kind for kind in KINDS if _fits(kind, types, line)), OTHER)


def _fits(kind: Kind, types: Collection[str], line: str) -> bool:
    return not kind.types.isdisjoint(types) or (kind.pattern is not None and re.search(kind.pattern, line) is not None)
