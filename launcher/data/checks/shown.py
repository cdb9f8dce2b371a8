"""Rows as the model reads them, with the part that the loss does not count told apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from launcher.data.checks.encoded import EncodedRow
from launcher.data.encode import IGNORED, Example
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import SequenceClassification

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Passage:
    text: str
    counted: bool
    """Whether the loss counts it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An example as it is trained on."""

    tokens: int
    label_tokens: int
    passages: tuple[Passage, ...]
    truncated: bool


def show(rows: Sequence[EncodedRow], recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> tuple[Shown, ...]:
    """The first few rows that are trained on."""
    examples = [row.trained[0] for row in rows if row.trained]
    return tuple(_shown(each, recipe, tokenizer) for each in examples[:EXAMPLES])


def _shown(example: Example, recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> Shown:
    passages = tuple(_passages(example, recipe, tokenizer))
    return Shown(len(example.input_ids), example.label_tokens, passages, example.truncated)


def _passages(example: Example, recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> Iterator[Passage]:
    if isinstance(recipe.task, SequenceClassification):
        yield Passage(_decoded(tokenizer, example.input_ids), counted=False)
        yield Passage(recipe.task.labels[example.labels[0]], counted=True)
        return
    pairs = zip(example.input_ids, example.labels, strict=True)
    for counted, run in groupby(pairs, key=lambda pair: pair[1] != IGNORED):
        yield Passage(_decoded(tokenizer, [token for token, _ in run]), counted)


def _decoded(tokenizer: "PreTrainedTokenizerBase", ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
