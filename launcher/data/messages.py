"""A conversation out of a row's field: JSON text to messages in a known order of roles."""

import json
from typing import Any, Literal, TypedDict

from launcher.errors import InvalidInput

Role = Literal["system", "user", "assistant"]

ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
"""A role by its names: OpenAI's, and ShareGPT's (which writes `from` and `value`)."""

NOT_BUILT = ("weight", "train", "tool_calls", "function_call")
"""Keys that would change what is trained; others beside role and content are not read."""


class Message(TypedDict):
    role: Role
    content: str


def read_messages(text: str, place: str) -> list[Message]:
    """The messages of a row: a system message or none, then user and assistant in turn.

    What follows the last turn of the assistant teaches nothing, and is left out.

    Args:
        text: JSON of a list of `{role, content}` (or `{from, value}`).
        place: the row, for errors.

    Raises:
        InvalidInput: the text is no such list, or the roles are out of order.
    """
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{place}: the messages are not JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(given, list) or not given:
        found = "an empty list" if given == [] else f"a {type(given).__name__}"
        raise InvalidInput(f"{place}: expected a list of messages, found {found}; each is {{role, content}}")
    messages = [_message(each, f"{place}: message {number}") for number, each in enumerate(given, 1)]
    for number, (before, message) in enumerate(zip([None, *messages], messages, strict=False), 1):
        _check_turn(before, message, f"{place}: message {number}")
    turns = [number for number, message in enumerate(messages, 1) if message["role"] == "assistant"]
    if not turns:
        raise InvalidInput(f"{place}: the assistant says nothing; remove the row, or give its answer")
    return messages[: turns[-1]]


def _message(given: Any, place: str) -> Message:
    if not isinstance(given, dict):
        raise InvalidInput(f"{place}: expected an object with role and content, found a {type(given).__name__}")
    role, content = given.get("role", given.get("from")), given.get("content", given.get("value"))
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidInput(f"{place}: role {role!r} is not one of {', '.join(ROLES)}; rename it, or remove the row")
    if not isinstance(content, str):
        raise InvalidInput(f"{place}: content is not text but a {type(content).__name__}; write it as text")
    for key in NOT_BUILT:
        if given.get(key) is not None:
            raise InvalidInput(f"{place}: {key!r} is not built; remove the key, or the row")
    if ROLES[role] == "assistant" and not content.strip():
        raise InvalidInput(f"{place}: the assistant's turn is empty; fill it in, or remove the row")
    return {"role": ROLES[role], "content": content}


def _check_turn(before: Message | None, message: Message, place: str) -> None:
    role, last = message["role"], before["role"] if before is not None else None
    allowed = {None: ("system", "user"), "system": ("user",), "user": ("assistant",), "assistant": ("user",)}[last]
    if role not in allowed:
        stands = "stands first" if last is None else f"follows {last}"
        raise InvalidInput(
            f"{place}: {role} {stands}, where {' or '.join(allowed)} is expected; user and assistant take turns, "
            "after a system message or none"
        )
