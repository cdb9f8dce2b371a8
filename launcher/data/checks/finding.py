"""What a check found, and from where on it is worth a warning."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    figure: str
    """What was found, in words."""
    verdict: Verdict
    mend: str = ""
    """What to do about it; empty where all is well."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Shares above which a check warns and fails; 1.0 is never passed."""

    warn: float
    fail: float
    mend: str = ""


LIMITS = {
    "truncated": Limit(0.10, 0.50),
    "all masked": Limit(0.01, 0.20, "raise training.max_length: cutting leaves these rows nothing to learn"),
    "left out": Limit(0.30, 1.0, "see whether the source repeats itself, or gives one text several labels"),
    "duplicates": Limit(0.05, 1.0, "keep one of each at the source, and data.deduplicate: true"),
    "test in train": Limit(0.0, 0.50, "take them out of data.train, or results are of rows learnt by heart"),
    "validation in train": Limit(0.0, 0.50, "take them out of data.train, or the best step is chosen by rows learnt"),
    "unknown tokens": Limit(0.01, 0.10, "give the model's own tokenizer, or a model that knows this writing"),
    "unused vocabulary": Limit(0.10, 0.50, "the tokenizer is of another model: give the model's own"),
    "tokens a byte": Limit(0.75, 1.0, "texts fall apart into letters: give the model's own tokenizer"),
}
"""By the name of a check."""


def judged(name: str, share: float, figure: str, mend: str = "", *, meant: bool = False) -> Finding:
    """A finding with the verdict that its share deserves.

    Args:
        mend: In place of the table's.
        meant: The recipe asks for it, so that it never fails.
    """
    limit = LIMITS[name]
    verdict: Verdict = "fail" if share > limit.fail and not meant else "warn" if share > limit.warn else "ok"
    return Finding(name, figure, verdict, "" if verdict == "ok" else mend or limit.mend)


def part(some: int, of: int) -> str:
    """`3 of 200 (1.5 %)`."""
    return f"{some:,} of {of:,} ({some / of:.1%})" if some else f"0 of {of:,}"
