"""What encoding asks of a tokenizer."""

from functools import lru_cache
from typing import Any, Protocol

from launcher.errors import InvalidInput
from launcher.recipe.task import Instruction, Text


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that encoding uses."""

    @property
    def eos_token_id(self) -> int | None: ...

    def encode(self, text: str, *, add_special_tokens: bool, **truncation: Any) -> list[int]: ...

    def num_special_tokens_to_add(self) -> int: ...

    def get_vocab(self) -> dict[str, int]: ...

    def __hash__(self) -> int: ...


def end_token_id(task: Instruction | Text, tokenizer: Tokenizer) -> int:
    """The token that ends a completion or document.

    Raises:
        InvalidInput: the task's end token is not in the vocabulary, or neither has one.
    """
    if task.end_token is None:
        if tokenizer.eos_token_id is None:
            raise InvalidInput("task.end_token: the tokenizer has no end-of-text token; name the one that ends a text")
        return tokenizer.eos_token_id
    vocabulary = _vocabulary(tokenizer)
    if task.end_token not in vocabulary:
        raise InvalidInput(
            f"task.end_token: {task.end_token!r} is no token of the model's vocabulary; name one that is"
        )
    return vocabulary[task.end_token]


@lru_cache(maxsize=1)
def _vocabulary(tokenizer: Tokenizer) -> dict[str, int]:
    """Kept, as a large one takes tens of milliseconds to list, and every row asks for it."""
    return tokenizer.get_vocab()
