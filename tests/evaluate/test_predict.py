"""What a run's models say of new texts, for each kind of task."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from launcher.data.encode.chat import chat_prompt
from launcher.errors import InvalidInput
from launcher.evaluate.predict import classify_texts, generate_texts
from launcher.evaluate.trained import Trained
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

Make = Callable[..., Trained]

TEMPLATE = (
    "{% for m in messages %}{{ bos_token if m.role == 'user' else '' }}{{ m.content + '\n' }}"
    "{{ eos_token if m.role == 'assistant' else '' }}{% endfor %}"
)
BEGINNING = "Once upon a time, there was a little"


@pytest.fixture
def trained(stories: Path, recipe_of: Callable[..., Recipe]) -> Make:
    """A run of a task that has learnt nothing beside the real model's stories."""

    def build(**task: Any) -> Trained:
        recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}, task=task)
        tokenizer = load_tokenizer(stories, recipe.model)
        model = load_model(recipe, stories, tokenizer, torch.device("cpu"))
        return Trained(recipe, tokenizer, model, model, lambda _: nullcontext(), torch.device("cpu"))

    return build


def continued(run: Trained, ids: list[int], count: int) -> str:
    """The likeliest tokens after `ids`, one at a time."""
    end = len(ids) + count
    with torch.inference_mode():
        while len(ids) < end:
            ids = [*ids, int(run.tuned(input_ids=torch.tensor([ids])).logits[0, -1].argmax())]
    return str(run.tokenizer.decode(ids[-count:], skip_special_tokens=True))


def test_a_document_is_gone_on_with(trained: Make) -> None:
    run = trained(kind="text")
    (answers,) = generate_texts(run, [BEGINNING], 8)
    assert answers.text == BEGINNING
    assert answers.tuned.answer == answers.base.answer == continued(run, run.tokenizer.encode(BEGINNING), 8) != ""


def test_a_chat_answers_a_users_message(trained: Make) -> None:
    run = trained(kind="chat", template=TEMPLATE)
    (answers,) = generate_texts(run, [BEGINNING], 8)
    ids = chat_prompt(BEGINNING, run.recipe.task, run.tokenizer)  # type: ignore[arg-type]
    assert run.tokenizer.decode(ids) == f"<s> {BEGINNING}\n"
    assert answers.tuned.answer == continued(run, ids, 8) != ""


def test_a_prompt_is_gone_on_with(trained: Make) -> None:
    run = trained(kind="instruction", prompt="{a} there was", completion="{b}")
    (answers,) = generate_texts(run, ["Once upon a time,"], 8)
    assert answers.tuned.answer == continued(run, run.tokenizer.encode("Once upon a time, there was"), 8)


def test_each_task_says_what_it_cannot_do(trained: Make) -> None:
    with pytest.raises(InvalidInput, match=r"^moods trained a classification head, which writes no text$"):
        generate_texts(trained(kind="classification", labels=["a", "b"]), ["x"], 1)
    for task in ({"kind": "text"}, {"kind": "chat", "template": TEMPLATE}):
        with pytest.raises(InvalidInput, match=r"^moods has no labels to choose from; let it write with --generate N$"):
            classify_texts(trained(**task), ["x"])
