"""A sample as token ids: as long as its rows are, and as they are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from launcher.data.encode import Example, encode_row, whole_text
from launcher.data.rows import Row
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Instruction

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

UNCUT = 2**31
PROMPT = 2
"""Tokens of a prompt that have to stand before its completion: `encode/instruction.py`."""


@dataclass(frozen=True, slots=True)
class EncodedRow:
    whole: Example
    """The row uncut."""
    trained: tuple[Example, ...]
    """As it is trained on: cut, or in pieces; none where its completion alone is too long."""
    bytes: int
    """Of its text in UTF-8."""

    @property
    def length(self) -> int:
        return len(self.whole.input_ids)

    @property
    def truncated(self) -> bool:
        return any(each.truncated for each in self.trained) or not self.trained

    @property
    def masked(self) -> bool:
        """Whether cutting leaves no label in what is trained on."""
        return bool(self.trained) and not any(each.label_tokens for each in self.trained)


def encode_sample(rows: Sequence[Row], recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> list[EncodedRow]:
    """Every row, in their order.

    Raises:
        InvalidInput: task and tokenizer do not go together.
    """
    return [_encode(row, recipe, tokenizer) for row in rows]


def _encode(row: Row, recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> EncodedRow:
    length = recipe.training.max_length
    uncut = encode_row(row, recipe.task, tokenizer, UNCUT)
    whole = uncut[0] if uncut else Example([], [], truncated=False)  # a text of characters that no token has
    size = len(whole_text(row, recipe.task).encode())
    if len(whole.input_ids) <= length:
        return EncodedRow(whole, (whole,), size)
    if isinstance(recipe.task, Instruction) and whole.label_tokens + PROMPT > length:
        return EncodedRow(whole, (), size)
    return EncodedRow(whole, tuple(encode_row(row, recipe.task, tokenizer, length, recipe.long_documents)), size)
