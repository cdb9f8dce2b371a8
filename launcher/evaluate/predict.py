"""What models say of new texts: a label with all probabilities, or what they write."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from launcher.data.batch import pad
from launcher.data.encode import encode_test_rows, end_token_id
from launcher.data.encode.chat import chat_prompt, turn_end_id
from launcher.data.fields import MESSAGES, label_names
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.evaluate.contenders import Field
from launcher.evaluate.outcome import best_label, probabilities
from launcher.evaluate.score import score
from launcher.model.adapt import TrainableModel
from launcher.model.precision import autocast
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat, Instruction, SequenceClassification, Task, Text


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer: a label with all labels' probabilities, or text it wrote."""

    answer: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Answers:
    """What each model says of a text, by the model's name."""

    text: str
    by_model: Mapping[str, Answer]

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: the text, and under each model's name its answer."""
        return {"text": self.text} | {name: asdict(each) for name, each in self.by_model.items()}


def classify(field: Field, rows: Sequence[Row]) -> list[Answers]:
    """Labels with their probabilities.

    Raises:
        InvalidInput: the task has no labels.
    """
    recipe, labels = field.recipe, label_names(field.recipe.task)
    if labels is None:
        raise InvalidInput(f"{recipe.name} has no labels to choose from; let it write with --generate N")
    questions = encode_test_rows(rows, recipe.task, field.tokenizer, recipe.training.max_length)
    pad_id, size = int(field.tokenizer.pad_token_id), recipe.evaluation.batch_size
    said = {}
    for each in field.contenders:
        with each.mode(), autocast(recipe.training.precision, field.device):
            scores = score(each.model, questions, pad_id=pad_id, batch_size=size, device=field.device)
        said[each.name] = [_labelled(row, labels) for row in scores]
    return _by_row(rows, said)


def generate(field: Field, rows: Sequence[Row], most: int, together: int = 1) -> list[Answers]:
    """What the models write after each row's prompt, taking the likeliest token each time.

    Args:
        most: Tokens a row at the most.
        together: Prompts that are written after at once, of like length. By default one, as padding changes the last
            bits of the logits, and with them, now and then, a word.

    Raises:
        InvalidInput: the task is a classification head's.
    """
    prompts = [_prompt(row, field.recipe, field.tokenizer) for row in rows]
    said = {}
    for each in field.contenders:
        with each.mode():
            said[each.name] = [Answer(text, {}) for text in _written(field, each.model, prompts, most, together)]
    return _by_row(rows, said)


def answers_csv(answers: Sequence[Answers]) -> str:
    """The answers as RFC 4180 says, in columns named as in predictions.csv; one row at least."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    models = answers[0].by_model
    shares = [(name, label) for name, each in models.items() for label in each.probabilities]
    writer.writerow(["text", *(f"{name}_prediction" for name in models), *(f"{n}_p_{label}" for n, label in shares)])
    for each in answers:
        said = [each.by_model[name].answer for name in models]
        writer.writerow([each.text, *said, *(f"{each.by_model[n].probabilities[label]:.6g}" for n, label in shares)])
    return table.getvalue()


@torch.inference_mode()
def _written(field: Field, model: TrainableModel, prompts: Sequence[list[int]], most: int, together: int) -> list[str]:
    """What a model writes after each prompt's token ids."""
    tokenizer = field.tokenizer
    options = {
        "max_new_tokens": most,
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": _end_ids(field.recipe.task, tokenizer),
    }
    model.eval()
    by_length = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    written = [""] * len(prompts)
    for start in range(0, len(prompts), together):
        chosen = by_length[start : start + together]
        # on the left, so that every row ends in its prompt's last token
        ids = pad([prompts[place][::-1] for place in chosen], int(tokenizer.pad_token_id)).flip(1).to(model.device)
        mask = pad([[1] * len(prompts[place]) for place in chosen], 0).flip(1).to(model.device)
        whole = model.generate(input_ids=ids, attention_mask=mask, **options)  # type: ignore[operator]
        for place, row in zip(chosen, whole[:, ids.shape[1] :], strict=True):
            written[place] = str(tokenizer.decode(row, skip_special_tokens=True))
    return written


def _prompt(row: Row, recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the model goes on after; a conversation's is the user's first message."""
    task = recipe.task
    if isinstance(task, SequenceClassification):
        raise InvalidInput(f"{recipe.name} trained a classification head, which writes no text")
    if isinstance(task, Chat):
        return chat_prompt(row.fields[MESSAGES], task, tokenizer)
    template = task.prompt if isinstance(task, Instruction) else task.text
    ids: list[int] = tokenizer.encode(template.format(**row.fields), add_special_tokens=True)
    return ids


def _end_ids(task: Task, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that end what is written."""
    if isinstance(task, Instruction | Text):
        return [end_token_id(task, tokenizer)]
    assert isinstance(task, Chat)
    return [each for each in (turn_end_id(task, tokenizer), tokenizer.eos_token_id) if each is not None]


def _labelled(scores: Sequence[float], labels: Sequence[str]) -> Answer:
    return Answer(best_label(scores, labels), dict(zip(labels, probabilities(scores), strict=True)))


def _by_row(rows: Sequence[Row], said: Mapping[str, Sequence[Answer]]) -> list[Answers]:
    return [Answers(row.text, {name: each[place] for name, each in said.items()}) for place, row in enumerate(rows)]
