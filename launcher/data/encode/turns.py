"""A conversation as its template writes it, and the characters that are the assistant's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launcher.data.messages import Message
from launcher.errors import InvalidInput
from launcher.recipe.task import GENERATION_MARK, Chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a turn of the assistant stands, in characters: after the prompt for it, up to what others write."""

    start: int
    content_end: int
    """The mark that ends the turn stands between here and `end`."""
    end: int


class ChatRenderer:
    """A task's chat template with a tokenizer's special tokens.

    Raises:
        InvalidInput: neither recipe nor tokenizer has a template.
    """

    def __init__(self, task: Chat, tokenizer: "PreTrainedTokenizerBase") -> None:
        try:
            self._template = tokenizer.get_chat_template(task.template)
        except ValueError:
            raise InvalidInput(
                "task.template: the tokenizer has no chat template; give one, as recipes/base/chat-llama3.yaml does"
            ) from None
        self._tokens = tokenizer.special_tokens_map

    def render(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        """The text of a conversation, with the beginning of the assistant's next turn where `prompt` is set."""
        return self._render(messages, prompt=prompt)[0]

    def turns(self, messages: Sequence[Message]) -> tuple[str, list[Turn]]:
        """A whole conversation's text, and the assistant's turns in it: as the template marks them, or else by how
        the text grows from one message to the next.

        Raises:
            InvalidInput: the template does not say where the assistant writes.
        """
        whole, marks = self._render(messages)
        if not GENERATION_MARK.search(self._template):
            numbers = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
            return whole, [self._turn(whole, messages, number) for number in numbers]
        if not marks:
            raise InvalidInput("task.template: {% generation %} marks nothing of an assistant's turn; put it around it")
        return whole, [Turn(start, end, end) for start, end in marks]

    def _turn(self, whole: str, messages: Sequence[Message], number: int) -> Turn:
        head = self.render(messages[:number], prompt=True)
        if not whole.startswith(head):
            raise InvalidInput(
                "task.template: what add_generation_prompt writes is not how the assistant's turn begins, or earlier "
                "turns change with later ones; mend it, or mark turns with {% generation %}"
            )
        upto = self.render(messages[: number + 1])
        end = _common(whole, upto)
        content = messages[number]["content"].strip()
        at = whole.find(content, len(head), end)
        if at < 0:
            raise InvalidInput(
                "task.template: the assistant's words do not follow the generation prompt as they are; "
                "mend it, or mark turns with {% generation %}"
            )
        header = whole[len(head) : at].strip()
        if header and head == self.render(messages[:number]):
            raise InvalidInput(
                f"task.template: {header!r} stands before the assistant's words; "
                "write it where add_generation_prompt is set, too"
            )
        return Turn(len(head), at + len(content), end)

    def _render(self, messages: Sequence[Message], *, prompt: bool = False) -> tuple[str, list[tuple[int, int]]]:
        from jinja2 import TemplateError
        from transformers.utils.chat_template_utils import render_jinja_template

        options: dict[str, Any] = {"add_generation_prompt": prompt, **self._tokens}
        if GENERATION_MARK.search(self._template):
            options["return_assistant_tokens_mask"] = True
        try:
            rendered: Any = render_jinja_template([[*map(dict, messages)]], chat_template=self._template, **options)
        except (TemplateError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise InvalidInput(f"task.template: a conversation cannot be written with it: {reason}") from error
        texts, marks = rendered
        return texts[0], marks[0] if marks else []


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    if one.startswith(other):
        return len(other)
    differing = (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))
