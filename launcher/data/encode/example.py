"""Encoded rows: what is trained on, and what is asked in a test."""

from collections.abc import Iterable
from dataclasses import dataclass

from launcher.errors import InvalidInput

IGNORED = -100
"""Label of a token that the loss does not count; torch's own default."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text as token ids, with what the loss counts.

    `labels` has one label a token where text is written, and the class index alone for classification.
    """

    input_ids: list[int]
    labels: list[int]
    truncated: bool

    @property
    def label_tokens(self) -> int:
        """Labels that the loss counts; the first token of a text is never predicted."""
        counted = self.labels if len(self.labels) == 1 else self.labels[1:]
        return sum(label != IGNORED for label in counted)


@dataclass(frozen=True, slots=True)
class Question:
    """One test row: a prompt, and the completions to be weighed against each other (none: a head answers)."""

    prompt_ids: list[int]
    candidates: list[list[int]]


TestRow = Question | Example
"""A question is answered; an example (chat, text) is foreseen, label by label."""


def usable(examples: Iterable[Example], path: str, max_length: int) -> list[Example]:
    """The examples that have a label left.

    Args:
        path: where the rows come from, such as `data.test`.

    Raises:
        InvalidInput: none has one left.
    """
    kept = [example for example in examples if example.label_tokens]
    if not kept:
        raise all_masked(path, max_length)
    return kept


def all_masked(path: str, max_length: int) -> InvalidInput:
    """The error to raise where cutting rows has left no label in any."""
    return InvalidInput(
        f"training.max_length: every label of {path} lies beyond the first {max_length} tokens of its row; raise it"
    )
