import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.data.messages import Message, read_messages
from launcher.errors import InvalidInput

PLACE = "data.train: row 7"
TURNS = "; user and assistant take turns, after a system message or none"


def say(role: Any, content: Any = "words") -> dict[str, Any]:
    return {"role": role, "content": content}


def roles(*names: str) -> str:
    return json.dumps([say(name) for name in names])


@given(st.booleans(), st.lists(st.tuples(st.text(), st.text(min_size=1).filter(str.strip)), min_size=1))
def test_a_conversation_in_order_is_read_as_it_is_written(system: bool, turns: list[tuple[str, str]]) -> None:
    messages = [say("system", "Be kind.")] * system
    for asked, answered in turns:
        messages += [say("user", asked), say("assistant", answered)]
    assert read_messages(json.dumps(messages), PLACE) == messages


def test_what_follows_the_last_answer_is_left_out() -> None:
    read = read_messages(roles("system", "user", "assistant", "user"), PLACE)
    assert [message["role"] for message in read] == ["system", "user", "assistant"]


def test_share_gpt_writes_the_same_under_other_names() -> None:
    turns = [{"from": "system", "value": "a"}, {"from": "human", "value": "b"}, {"from": "gpt", "value": "c"}]
    expected: list[Message] = [
        {"role": "system", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"},
    ]
    assert read_messages(json.dumps(turns), PLACE) == expected


def test_what_says_nothing_about_training_is_not_read() -> None:
    messages = [{**say("user"), "id": 3}, {**say("assistant"), "tool_calls": None}]
    assert read_messages(json.dumps(messages), PLACE) == [say("user"), say("assistant")]


BAD = {
    "no JSON": ("Hello", ": the messages are not JSON: Expecting value at character 1"),
    "empty": ("[]", ": expected a list of messages, found an empty list; each is {role, content}"),
    "no list": ('{"role": "user"}', ": expected a list of messages, found a dict; each is {role, content}"),
    "no object": ('["hello"]', ": message 1: expected an object with role and content, found a str"),
    "assistant first": (
        roles("assistant", "user"),
        f": message 1: assistant stands first, where system or user is expected{TURNS}",
    ),
    "assistant after system": (
        roles("system", "assistant"),
        f": message 2: assistant follows system, where user is expected{TURNS}",
    ),
    "two users": (
        roles("user", "user", "assistant"),
        f": message 2: user follows user, where assistant is expected{TURNS}",
    ),
    "two assistants": (
        roles("user", "assistant", "assistant"),
        f": message 3: assistant follows assistant, where user is expected{TURNS}",
    ),
    "late system": (
        roles("user", "system", "assistant"),
        f": message 2: system follows user, where assistant is expected{TURNS}",
    ),
    "unknown role": (
        roles("user", "bot"),
        ": message 2: role 'bot' is not one of system, user, human, assistant, gpt; rename it, or remove the row",
    ),
    "no role": (
        '[{"content": "a"}]',
        ": message 1: role None is not one of system, user, human, assistant, gpt; rename it, or remove the row",
    ),
    "content of parts": (
        json.dumps([say("user", [{"type": "text", "text": "a"}])]),
        ": message 1: content is not text but a list; write it as text",
    ),
    "content left out": (
        '[{"role": "user"}]',
        ": message 1: content is not text but a NoneType; write it as text",
    ),
    "no answer": (roles("system", "user"), ": the assistant says nothing; remove the row, or give its answer"),
    "blank answer": (
        json.dumps([say("user"), say("assistant", " \n")]),
        ": message 2: the assistant's turn is empty; fill it in, or remove the row",
    ),
    "tool call": (
        json.dumps([say("user"), {**say("assistant"), "tool_calls": [{}]}]),
        ": message 2: 'tool_calls' is not built; remove the key, or the row",
    ),
    "weight": (
        json.dumps([say("user"), {**say("assistant"), "weight": 0}]),
        ": message 2: 'weight' is not built; remove the key, or the row",
    ),
}


@pytest.mark.parametrize(("text", "line"), BAD.values(), ids=BAD.keys())
def test_what_is_no_conversation_is_refused_in_one_line_with_its_row(text: str, line: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_messages(text, PLACE)
    assert str(caught.value) == PLACE + line
