"""What base and tuned model of a run say of new texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from launcher.data.encode import encode_test_rows, end_token_id
from launcher.data.encode.chat import chat_prompt, turn_end_id
from launcher.data.fields import input_fields, label_names
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.evaluate.outcome import best_label, probabilities
from launcher.evaluate.score import score
from launcher.evaluate.trained import Trained
from launcher.model.adapt import TrainableModel
from launcher.model.precision import autocast
from launcher.recipe.task import Chat, Instruction, SequenceClassification, Task, Text


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
    prompts = [_prompt(trained, text) for text in texts]
    options = _options(trained.recipe.task, trained.tokenizer, max_new_tokens)
    with trained.as_base(trained.base):
        base = [_written(trained.base, trained.tokenizer, prompt, options) for prompt in prompts]
    tuned = [_written(trained.tuned, trained.tokenizer, prompt, options) for prompt in prompts]
    return [Answers(*each) for each in zip(texts, base, tuned, strict=True)]


def write(
    model: TrainableModel, tokenizer: PreTrainedTokenizerBase, task: Instruction, prompts: Sequence[str], most: int
) -> list[str]:
    """What a model writes after each prompt, taking the likeliest token each time, up to `most` tokens.

    One prompt at a time: padding would change the last bits of the logits, and with them, now and then, a word.
    """
    options = _options(task, tokenizer, most)
    ids = (tokenizer.encode(prompt, add_special_tokens=True) for prompt in prompts)
    return [_written(model, tokenizer, each, options).answer.strip() for each in ids]


def _prompt(trained: Trained, text: str) -> list[int]:
    """What the model goes on after; a conversation's is the user's first message."""
    task, tokenizer = trained.recipe.task, trained.tokenizer
    if isinstance(task, SequenceClassification):
        raise InvalidInput(f"{trained.recipe.name} trained a classification head, which writes no text")
    if isinstance(task, Chat):
        return chat_prompt(text, task, tokenizer)
    template = task.prompt if isinstance(task, Instruction) else task.text
    ids: list[int] = tokenizer.encode(template.format(**_row(trained, text).fields), add_special_tokens=True)
    return ids


def _options(task: Task, tokenizer: PreTrainedTokenizerBase, most: int) -> dict[str, Any]:
    """How to write: greedily, until a token that ends it or so many tokens."""
    return {
        "max_new_tokens": most,
        "do_sample": False,
        "use_cache": True,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": _end_ids(task, tokenizer),
    }


def _end_ids(task: Task, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that end what is written."""
    if isinstance(task, Instruction | Text):
        return [end_token_id(task, tokenizer)]
    assert isinstance(task, Chat)
    return [each for each in (turn_end_id(task, tokenizer), tokenizer.eos_token_id) if each is not None]


def _scores(trained: Trained, model: TrainableModel, texts: Sequence[str]) -> list[list[float]]:
    recipe = trained.recipe
    rows = [_row(trained, text) for text in texts]
    questions = encode_test_rows(rows, recipe.task, trained.tokenizer, recipe.training.max_length)
    pad_id = int(trained.tokenizer.pad_token_id)
    with autocast(recipe.training.precision, trained.device):
        return score(model, questions, pad_id=pad_id, batch_size=recipe.evaluation.batch_size, device=trained.device)


def _row(trained: Trained, text: str) -> Row:
    fields = input_fields(trained.recipe.task)
    if len(fields) != 1:
        raise InvalidInput(f"{trained.recipe.name} reads {len(fields)} fields ({', '.join(fields)}), not one text")
    return Row({fields[0]: text}, label=None)


def _labelled(scores: Sequence[float], labels: Sequence[str]) -> Answer:
    return Answer(best_label(scores, labels), dict(zip(labels, probabilities(scores), strict=True)))


@torch.inference_mode()
def _written(
    model: TrainableModel, tokenizer: PreTrainedTokenizerBase, prompt: list[int], options: dict[str, Any]
) -> Answer:
    ids = torch.tensor([prompt], device=model.device)
    model.eval()
    whole = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **options)  # type: ignore[operator]
    written = tokenizer.decode(whole[0, len(prompt) :], skip_special_tokens=True)
    return Answer(str(written), {})
