"""Conversations: the loss counts what the assistant writes, and the token that ends its turn."""

from bisect import bisect_right
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING

from launcher.data.encode.example import IGNORED, Example
from launcher.data.encode.turns import ChatRenderer, Turn
from launcher.data.fields import MESSAGES
from launcher.data.messages import Message, read_messages
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.recipe.task import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Offsets = list[tuple[int, int]]
"""For each token, the characters it stands for."""


def chat_example(row: Row, task: Chat, tokenizer: "PreTrainedTokenizerBase", max_length: int) -> Example:
    """A conversation, cut at its end; see `usable` for one that loses all its labels so.

    Raises:
        InvalidInput: the messages are not in order, or the template does not fit them.
    """
    return _encode(read_messages(row.fields[MESSAGES], "data"), task, tokenizer, max_length)


def chat_prompt(text: str, task: Chat, tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """What a user's first message is answered after, as token ids."""
    written = ChatRenderer(task, tokenizer).render([{"role": "user", "content": text}], prompt=True)
    ids: list[int] = tokenizer.encode(written, add_special_tokens=False)
    return ids


def turn_end_id(task: Chat, tokenizer: "PreTrainedTokenizerBase") -> int | None:
    """The token that ends a turn of the assistant, where it is one by itself."""
    trial: list[Message] = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello"}]
    last = next(label for label in reversed(_encode(trial, task, tokenizer).labels) if label != IGNORED)
    return last if last in _added_ids(tokenizer) else None


def _encode(
    messages: list[Message], task: Chat, tokenizer: "PreTrainedTokenizerBase", max_length: int | None = None
) -> Example:
    """The text is cut into tokens as a whole: turns cut apart would be tokens that no conversation has."""
    if not tokenizer.is_fast:
        raise InvalidInput("task.kind: chat needs a tokenizer that knows its characters; give a tokenizer.json")
    text, turns = ChatRenderer(task, tokenizer).turns(messages)
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids: list[int] = encoded["input_ids"]
    counted = turns if task.train_on == "assistant" else turns[-1:]
    labels = _labels(ids, encoded["offset_mapping"], counted, _added_ids(tokenizer))
    return Example(ids[:max_length], labels[:max_length], max_length is not None and len(ids) > max_length)


def _labels(ids: list[int], offsets: Offsets, turns: list[Turn], ends: frozenset[int]) -> list[int]:
    """A turn is over with the first special token after its words: it is the last that the model has to write."""
    labels = [IGNORED] * len(ids)
    for turn in turns:
        for index in range(bisect_right(offsets, turn.start, key=itemgetter(1)), len(ids)):
            start = offsets[index][0]
            if start >= turn.end:
                break
            labels[index] = ids[index]
            if start >= turn.content_end and ids[index] in ends:
                break
    return labels


@lru_cache(maxsize=1)
def _added_ids(tokenizer: "PreTrainedTokenizerBase") -> frozenset[int]:
    """Ids of tokens that stand for themselves, such as `<|eot_id|>`."""
    return frozenset(tokenizer.added_tokens_decoder)
