"""What base and tuned model of a run say of new texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from launcher.data.dataset import input_fields, label_names
from launcher.data.encode import encode_question, end_token_id
from launcher.data.split import Row
from launcher.errors import InvalidInput
from launcher.evaluate.outcome import best_label, probabilities
from launcher.evaluate.score import score
from launcher.evaluate.trained import Trained
from launcher.model.adapt import TrainableModel
from launcher.recipe.task import Instruction


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's answer: a label with all labels' probabilities, or text it wrote."""

    answer: str
    probabilities: dict[str, float]


@dataclass(frozen=True, slots=True)
class Answers:
    text: str
    base: Answer
    tuned: Answer


def classify_texts(trained: Trained, texts: Sequence[str]) -> list[Answers]:
    """Labels with their probabilities.

    Raises:
        InvalidInput: the run's task has no labels, or its prompt has more fields than one.
    """
    labels = label_names(trained.recipe.task)
    if labels is None:
        raise InvalidInput(f"{trained.recipe.name} has no labels to choose from; let it write with --generate N")
    with trained.as_base(trained.base):
        base = [_labelled(each, labels) for each in _scores(trained, trained.base, texts)]
    tuned = [_labelled(each, labels) for each in _scores(trained, trained.tuned, texts)]
    return [Answers(*each) for each in zip(texts, base, tuned, strict=True)]


def generate_texts(trained: Trained, texts: Sequence[str], max_new_tokens: int) -> list[Answers]:
    """What the models write after the prompt, taking the likeliest token each time.

    Raises:
        InvalidInput: the run trained a classification head, or its prompt has more fields than one.
    """
    task = trained.recipe.task
    if not isinstance(task, Instruction):
        raise InvalidInput(f"{trained.recipe.name} trained a classification head, which writes no text")
    prompts = [task.prompt.format(**_row(trained, text).fields) for text in texts]
    options: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": trained.tokenizer.pad_token_id,
        "eos_token_id": end_token_id(task, trained.tokenizer),
    }
    with trained.as_base(trained.base):
        base = [_written(trained.base, trained.tokenizer, prompt, options) for prompt in prompts]
    tuned = [_written(trained.tuned, trained.tokenizer, prompt, options) for prompt in prompts]
    return [Answers(*each) for each in zip(texts, base, tuned, strict=True)]


def _scores(trained: Trained, model: TrainableModel, texts: Sequence[str]) -> list[list[float]]:
    recipe = trained.recipe
    rows = [_row(trained, text) for text in texts]
    questions = [encode_question(row, recipe.task, trained.tokenizer, recipe.training.max_length) for row in rows]
    pad_id = int(trained.tokenizer.pad_token_id)
    with torch.autocast(trained.device.type, torch.bfloat16, enabled=recipe.training.precision == "bf16"):
        return score(model, questions, pad_id=pad_id, batch_size=recipe.evaluation.batch_size, device=trained.device)


def _row(trained: Trained, text: str) -> Row:
    fields = input_fields(trained.recipe.task)
    if len(fields) != 1:
        raise InvalidInput(f"{trained.recipe.name} reads {len(fields)} fields ({', '.join(fields)}), not one text")
    return Row({fields[0]: text}, label=None)


def _labelled(scores: Sequence[float], labels: Sequence[str]) -> Answer:
    return Answer(best_label(scores, labels), dict(zip(labels, probabilities(scores), strict=True)))


@torch.inference_mode()
def _written(model: TrainableModel, tokenizer: PreTrainedTokenizerBase, prompt: str, options: dict[str, Any]) -> Answer:
    inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False).to(model.device)
    model.eval()
    ids = model.generate(**inputs, **options)  # type: ignore[operator]
    written = tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return Answer(str(written), {})
