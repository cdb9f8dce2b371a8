"""Rows to token ids: what is read, and which tokens the loss counts."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from launcher.data.split import Row
from launcher.errors import InvalidInput
from launcher.recipe.task import Instruction, SequenceClassification, Task

IGNORED = -100
"""Label of a token that the loss does not count; torch's own default."""


class Tokenizer(Protocol):
    """The part of a Hugging Face tokenizer that encoding uses."""

    @property
    def eos_token_id(self) -> int | None: ...

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...

    def get_vocab(self) -> dict[str, int]: ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Example:
    """One training row as token ids.

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


def encode_example(row: Row, task: Task, tokenizer: Tokenizer, max_length: int) -> Example:
    """One training row, cut to `max_length` tokens."""
    if isinstance(task, SequenceClassification):
        ids = tokenizer.encode(task.text.format(**row.fields), add_special_tokens=True)
        return Example(ids[:max_length], [task.labels.index(row.label or "")], len(ids) > max_length)
    completion = _completion_ids(_completion(row, task), task, tokenizer)
    whole = tokenizer.encode(task.prompt.format(**row.fields), add_special_tokens=True)
    prompt = _cut_prompt(whole, max_length - len(completion))
    return Example(prompt + completion, [IGNORED] * len(prompt) + completion, len(prompt) < len(whole))


def encode_question(row: Row, task: Task, tokenizer: Tokenizer, max_length: int) -> Question:
    """One test row; every candidate leaves the prompt the same room, so that all are weighed after the same words."""
    if isinstance(task, SequenceClassification):
        ids = tokenizer.encode(task.text.format(**row.fields), add_special_tokens=True)
        return Question(ids[:max_length], [])
    candidates = [_completion_ids(text, task, tokenizer) for text in _candidates(row, task)]
    whole = tokenizer.encode(task.prompt.format(**row.fields), add_special_tokens=True)
    return Question(_cut_prompt(whole, max_length - max(map(len, candidates))), candidates)


def whole_text(row: Row, task: Task) -> str:
    """A training row as the model reads it, before it is cut into tokens."""
    if isinstance(task, SequenceClassification):
        return task.text.format(**row.fields)
    return task.prompt.format(**row.fields) + _completion(row, task)


def _candidates(row: Row, task: Instruction) -> list[str]:
    if task.label_words is None:
        return [_completion(row, task)]
    return [task.completion.format(**row.fields, label=words) for words in task.label_words.values()]


def _completion(row: Row, task: Instruction) -> str:
    if task.label_words is None:
        return task.completion.format(**row.fields)
    return task.completion.format(**row.fields, label=task.label_words[row.label or ""])


def end_token_id(task: Instruction, tokenizer: Tokenizer) -> int:
    """The token that ends a completion.

    Raises:
        InvalidInput: the task's end token is not in the vocabulary, or neither has one.
    """
    if task.end_token is None:
        if tokenizer.eos_token_id is None:
            raise InvalidInput(
                "task.end_token: the tokenizer has no end-of-text token; name the one that ends a completion"
            )
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


def _completion_ids(text: str, task: Instruction, tokenizer: Tokenizer) -> list[int]:
    return [*tokenizer.encode(text, add_special_tokens=False), end_token_id(task, tokenizer)]


def _cut_prompt(ids: list[int], room: int) -> list[int]:
    """The first token and the end of a prompt: the question stands at its end, the row's text before it."""
    if room < 2:
        raise InvalidInput(
            f"training.max_length: raise it by {2 - room} or more, to hold a completion and 2 tokens of its prompt"
        )
    return ids if len(ids) <= room else ids[:1] + ids[1 - room :]
