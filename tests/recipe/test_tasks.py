"""What a recipe may say of its task."""

import pytest
from pydantic import ValidationError

from launcher.recipe.encoder import encoder_refusal
from launcher.recipe.model import Scratch
from launcher.recipe.task import Chat

OTHERS = """\
name: moods
model: {kind: scratch}
method: {kind: full}
strategy: {kind: ddp}
data:
  train: {kind: jsonl, url: rows.jsonl}
  split: {train_per_class: 10, test_per_class: 5}
  fields: {messages: conversations}
"""


def test_chat_and_text_need_nothing_beside_their_kind(write, told):
    for kind in ("chat", "text"):
        write("moods.yaml", f"{OTHERS}task: {{kind: {kind}}}\ntraining: {{max_stepz: 1}}\n")
        assert told("moods.yaml") == ["moods.yaml:10:12: training.max_stepz: unknown key; did you mean max_steps?"]


BAD = {
    "a template that is no Jinja": (
        'task: {kind: chat, template: "a\\n{% if %}"}',
        "9:20: task.template: line 2 of the template is no Jinja: Expected an expression, got 'end of statement block'",
    ),
    "a mark that does not end": (
        'task: {kind: chat, template: "{% generation %}a"}',
        "9:20: task.template: line 1 of the template is no Jinja: Unexpected end of template. Jinja was looking for "
        "the following tags: 'elif' or 'else' or 'endif'. The innermost block that needs to be closed is 'if'.",
    ),
    "a document without fields": (
        "task: {kind: text, text: words}",
        "9:20: task.text: the template reads no field of a row; write one in braces, such as {text}",
    ),
    "turns of nobody": (
        "task: {kind: chat, train_on: assistants}",
        "9:20: task.train_on: expected 'assistant' or 'last', found 'assistants'; did you mean assistant?",
    ),
}


@pytest.mark.parametrize(("task", "line"), BAD.values(), ids=BAD.keys())
def test_a_mistake_in_a_task_is_told_with_its_place(task, line, write, told):
    write("moods.yaml", f"{OTHERS}{task}\n")
    assert told("moods.yaml") == [f"moods.yaml:{line}"]


@pytest.mark.parametrize(
    "template", ["{%- generation -%}a{%- endgeneration -%}", "{% for m in messages %}{% break %}{% endfor %}"]
)
def test_what_transformers_adds_to_jinja_is_known(template):
    assert Chat(kind="chat", template=template).template == template


@pytest.mark.parametrize("task", ["instruction", "chat", "text"])
@pytest.mark.parametrize("model", ["bert", "roberta", "modernbert"])
def test_an_encoder_writes_no_text(model, task):
    assert encoder_refusal(model, task) == (
        f"{model} is an encoder and writes no text; use task.kind classification, or a causal model"
    )
    assert encoder_refusal(model, "classification") is None


@pytest.mark.parametrize("task", ["instruction", "classification", "chat", "text"])
def test_other_models_learn_every_task(task):
    assert encoder_refusal("llama", task) is encoder_refusal(None, task) is None


def test_a_bert_from_scratch_that_is_to_write_is_told_with_its_place(write, told):
    write("moods.yaml", OTHERS.replace("kind: scratch", "kind: scratch, architecture: bert") + "task: {kind: text}\n")
    assert told("moods.yaml") == [
        "moods.yaml:2:24: model.architecture: bert is an encoder and writes no text; "
        "use task.kind classification, or a causal model"
    ]


def test_a_bert_has_no_key_value_heads_to_divide():
    shape = {"kind": "scratch", "hidden_size": 9, "num_attention_heads": 3}
    assert Scratch.model_validate({**shape, "architecture": "bert"}).num_attention_heads == 3
    with pytest.raises(ValidationError, match="num_key_value_heads 2 does not divide num_attention_heads 3"):
        Scratch.model_validate(shape)
