"""What models say of new texts, for each kind of task."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from launcher.data.encode.chat import chat_prompt
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.evaluate.asked import asked_rows
from launcher.evaluate.contenders import Contender, Field
from launcher.evaluate.predict import answers_csv, classify, generate
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

Make = Callable[..., Field]

TEMPLATE = (
    "{% for m in messages %}{{ bos_token if m.role == 'user' else '' }}{{ m.content + '\n' }}"
    "{{ eos_token if m.role == 'assistant' else '' }}{% endfor %}"
)
BEGINNING = "Once upon a time, there was a little"


@pytest.fixture
def asked(stories: Path, recipe_of: Callable[..., Recipe]) -> Make:
    """The real model of stories, to be asked as a task does."""

    def build(**task: Any) -> Field:
        recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}, task=task)
        tokenizer = load_tokenizer(stories, recipe.model)
        model = load_model(recipe, stories, tokenizer, torch.device("cpu"))
        return Field(recipe, tokenizer, torch.device("cpu"), (Contender("model", model),))

    return build


def said(field: Field, text: str, most: int = 8) -> str:
    (answers,) = generate(field, asked_rows([text], None, field.recipe), most)
    assert answers.text == text
    return answers.by_model["model"].answer


def continued(field: Field, ids: list[int], count: int) -> str:
    """The likeliest tokens after `ids`, one at a time."""
    end = len(ids) + count
    with torch.inference_mode():
        while len(ids) < end:
            ids = [*ids, int(field.contenders[0].model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())]
    return str(field.tokenizer.decode(ids[-count:], skip_special_tokens=True))


def test_a_document_is_gone_on_with(asked: Make) -> None:
    field = asked(kind="text")
    assert said(field, BEGINNING) == continued(field, field.tokenizer.encode(BEGINNING), 8) != ""


def test_a_chat_answers_a_users_message(asked: Make) -> None:
    field = asked(kind="chat", template=TEMPLATE)
    ids = chat_prompt(BEGINNING, field.recipe.task, field.tokenizer)  # type: ignore[arg-type]
    assert field.tokenizer.decode(ids) == f"<s> {BEGINNING}\n"
    assert said(field, BEGINNING) == continued(field, ids, 8) != ""


def test_a_prompt_is_gone_on_with(asked: Make) -> None:
    field = asked(kind="instruction", prompt="{a} there was", completion="{b}")
    ids = field.tokenizer.encode("Once upon a time, there was")
    assert said(field, "Once upon a time,") == continued(field, ids, 8)


def test_prompts_of_any_length_are_written_after_together_as_alone(asked: Make) -> None:
    field = asked(kind="text")
    rows = asked_rows(["One day", BEGINNING, "Tim had a red ball. He", "Mom"], None, field.recipe)
    assert generate(field, rows, 6, together=3) == generate(field, rows, 6)


def test_each_task_says_what_it_cannot_do(asked: Make) -> None:
    head = asked(kind="classification", labels=["a", "b"])
    with pytest.raises(InvalidInput, match=r"^moods trained a classification head, which writes no text$"):
        said(head, "x")
    for task in ({"kind": "text"}, {"kind": "chat", "template": TEMPLATE}):
        field = asked(**task)
        with pytest.raises(InvalidInput, match=r"^moods has no labels to choose from; let it write with --generate N$"):
            classify(field, asked_rows(["x"], None, field.recipe))


def test_answers_are_written_as_csv(asked: Make) -> None:
    words = {"girl": "girl", "park": "park"}
    field = asked(kind="instruction", prompt="{text}", end_token="<s>", label_words=words)
    texts = [BEGINNING, 'One day, a "boy" named Tim\nwent to the']
    answers = classify(field, asked_rows(texts, None, field.recipe))
    first, second = csv.DictReader(io.StringIO(answers_csv(answers), newline=""))
    assert list(first) == ["text", "model_prediction", "model_p_girl", "model_p_park"]
    assert (first["model_prediction"], second["text"]) == ("girl", texts[1])
    assert float(first["model_p_girl"]) + float(first["model_p_park"]) == pytest.approx(1, abs=1e-5)
    written = answers_csv(generate(field, asked_rows(texts, None, field.recipe), 2))
    assert next(csv.reader(io.StringIO(written, newline=""))) == ["text", "model_prediction"]


def test_texts_come_from_lines_of_a_file_or_of_standard_input(
    recipe_of: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row({"text": "one"}, None), Row({"text": " two, three"}, None)]
    (tmp_path / "lines.txt").write_text("one\n\n two, three\n")
    assert asked_rows([], str(tmp_path / "lines.txt"), recipe_of()) == rows
    for file in (None, "-"):
        monkeypatch.setattr("sys.stdin", io.StringIO("one\n\n two, three"))
        assert asked_rows([], file, recipe_of()) == rows
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(InvalidInput, match=r"^standard input: no line to ask about$"):
        asked_rows([], None, recipe_of())


def test_rows_of_a_table_need_no_answer(recipe_of: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = recipe_of(
        task={"kind": "instruction", "prompt": "{a} {b}", "completion": "{c}"},
        data={"train": {"kind": "csv", "url": "none.csv"}, "test": {"kind": "csv", "url": "none.csv"},
              "fields": {"b": "beta"}},
    )  # fmt: skip
    (tmp_path / "rows.csv").write_text("a,beta\n1,2\n3,4\n")
    (tmp_path / "rows.jsonl").write_text('{"a": "1", "beta": "2"}\n{"a": "3", "beta": "4", "c": "5"}\n')
    for name in ("rows.csv", "rows.jsonl"):
        found = asked_rows([], str(tmp_path / name), recipe)
        assert [row.fields for row in found] == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
    with pytest.raises(InvalidInput, match=r"^moods reads 2 fields \(a, b\), not one text; give --file"):
        asked_rows(["x"], None, recipe)
    with pytest.raises(InvalidInput, match=r"^--file: texts are given too; leave out either$"):
        asked_rows(["x"], "rows.csv", recipe)
    (tmp_path / "other.csv").write_text("a\n1\n")
    with pytest.raises(InvalidInput, match=r"^--file: row 1: no column 'beta' among a; name it under data.fields"):
        asked_rows([], str(tmp_path / "other.csv"), recipe)
