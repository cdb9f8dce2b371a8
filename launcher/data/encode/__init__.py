"""Rows to token ids: what is read, and which tokens the loss counts."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from launcher.data.encode.chat import chat_example
from launcher.data.encode.classification import classification_example, classification_question
from launcher.data.encode.example import IGNORED, Example, Question, TestRow, all_masked, usable
from launcher.data.encode.instruction import completion_text, instruction_example, instruction_question
from launcher.data.encode.text import text_examples
from launcher.data.encode.tokenizer import Tokenizer, end_token_id
from launcher.data.fields import MESSAGES
from launcher.data.messages import read_messages
from launcher.data.rows import Row
from launcher.recipe.task import Chat, Instruction, SequenceClassification, Task
from launcher.recipe.training import LongDocuments

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "IGNORED",
    "Example",
    "Question",
    "TestRow",
    "Tokenizer",
    "all_masked",
    "encode_question",
    "encode_row",
    "encode_rows",
    "encode_test_rows",
    "end_token_id",
    "usable",
    "whole_text",
]


def encode_row(
    row: Row, task: Task, tokenizer: "PreTrainedTokenizerBase", max_length: int, long: LongDocuments = "split"
) -> list[Example]:
    """A training row as texts of `max_length` tokens at the most: one, or several pieces of a long document.

    Args:
        long: what happens to a long document of task `text`; rows of other tasks are cut.

    Raises:
        InvalidInput: the row does not fit, or task and tokenizer do not go together.
    """
    if isinstance(task, Instruction):
        return [instruction_example(row, task, tokenizer, max_length)]
    if isinstance(task, SequenceClassification):
        return [classification_example(row, task, tokenizer, max_length)]
    if isinstance(task, Chat):
        return [chat_example(row, task, tokenizer, max_length)]
    return text_examples(row, task, tokenizer, max_length, long)


def encode_rows(
    rows: Iterable[Row],
    task: Task,
    tokenizer: "PreTrainedTokenizerBase",
    max_length: int,
    long: LongDocuments = "split",
) -> Iterator[Example]:
    """Training rows in their order; some may have lost every label to `max_length`."""
    for row in rows:
        yield from encode_row(row, task, tokenizer, max_length, long)


def encode_question(
    row: Row, task: Instruction | SequenceClassification, tokenizer: "PreTrainedTokenizerBase", max_length: int
) -> Question:
    """A row to be answered."""
    if isinstance(task, Instruction):
        return instruction_question(row, task, tokenizer, max_length)
    return classification_question(row, task, tokenizer, max_length)


def encode_test_rows(
    rows: Iterable[Row], task: Task, tokenizer: "PreTrainedTokenizerBase", max_length: int, path: str = "data.test"
) -> list[TestRow]:
    """Test rows: questions in the order of the rows, or (chat, text) examples with labels.

    Args:
        path: where the rows come from, for errors.

    Raises:
        InvalidInput: as in `encode_row`, or cutting leaves no label in any row.
    """
    if isinstance(task, Instruction | SequenceClassification):
        return [encode_question(row, task, tokenizer, max_length) for row in rows]
    return [*usable(encode_rows(rows, task, tokenizer, max_length), path, max_length)]


def whole_text(row: Row, task: Task) -> str:
    """What a model reads of a training row, before it is cut into tokens; of a conversation, what is said."""
    if isinstance(task, Instruction):
        return task.prompt.format(**row.fields) + completion_text(row, task)
    if isinstance(task, Chat):
        return "\n".join(message["content"] for message in read_messages(row.fields[MESSAGES], "data"))
    return task.text.format(**row.fields)
