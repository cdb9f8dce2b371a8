"""Prompt and completion: the loss counts the completion and its end."""

from launcher.data.encode.example import IGNORED, Example, Question
from launcher.data.encode.tokenizer import Tokenizer, end_token_id
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.recipe.task import Instruction


def instruction_example(row: Row, task: Instruction, tokenizer: Tokenizer, max_length: int) -> Example:
    """A training row; a prompt that is too long is cut, a completion never."""
    completion = _completion_ids(completion_text(row, task), task, tokenizer)
    whole = tokenizer.encode(task.prompt.format(**row.fields), add_special_tokens=True)
    prompt = _cut_prompt(whole, max_length - len(completion))
    return Example(prompt + completion, [IGNORED] * len(prompt) + completion, len(prompt) < len(whole))


def instruction_question(row: Row, task: Instruction, tokenizer: Tokenizer, max_length: int) -> Question:
    """A test row; every candidate leaves the prompt the same room, so that all are weighed after the same words."""
    candidates = [_completion_ids(text, task, tokenizer) for text in _candidates(row, task)]
    whole = tokenizer.encode(task.prompt.format(**row.fields), add_special_tokens=True)
    return Question(_cut_prompt(whole, max_length - max(map(len, candidates))), candidates)


def completion_text(row: Row, task: Instruction) -> str:
    """What the model is to write after a row's prompt."""
    if task.label_words is None:
        return task.completion.format(**row.fields)
    return task.completion.format(**row.fields, label=task.label_words[row.label or ""])


def _candidates(row: Row, task: Instruction) -> list[str]:
    if task.label_words is None:
        return [completion_text(row, task)]
    return [task.completion.format(**row.fields, label=words) for words in task.label_words.values()]


def _completion_ids(text: str, task: Instruction, tokenizer: Tokenizer) -> list[int]:
    return [*tokenizer.encode(text, add_special_tokens=False), end_token_id(task, tokenizer)]


def _cut_prompt(ids: list[int], room: int) -> list[int]:
    """The first token and the end of a prompt: the question stands at its end, the row's text before it."""
    if room < 2:
        raise InvalidInput(
            f"training.max_length: raise it by {2 - room} or more, to hold a completion and 2 tokens of its prompt"
        )
    return ids if len(ids) <= room else ids[:1] + ids[1 - room :]
