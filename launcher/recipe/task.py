"""`task:` what the model learns to do with a row."""

import re
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from launcher.recipe.section import Section


def template_fields(template: str) -> list[str]:
    """Names of the `{fields}` in a template, in order.

    Raises:
        ValueError: an unmatched brace, or a field that is not a plain name.
    """
    names = []
    for _, name, form, conversion in Formatter().parse(template):
        if name is None:
            continue
        if not name.isidentifier() or form or conversion:
            raise ValueError(f"field {{{name}}} is not a plain name; write {{{{ and }}}} for literal braces")
        names.append(name)
    return names


def _reads_something(template: str) -> str:
    if not template_fields(template):
        raise ValueError("the template reads no field of a row; write one in braces, such as {text}")
    return template


Template = Annotated[str, AfterValidator(_reads_something)]

GENERATION_MARK = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")
"""transformers' own block around what the assistant writes; Jinja by itself does not know it."""


def _is_jinja(template: str) -> str:
    import jinja2

    plain = GENERATION_MARK.sub(lambda mark: "{% endif %}" if mark[2] else "{% if true %}", template)
    try:
        jinja2.Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]).parse(plain)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno} of the template is no Jinja: {error.message}") from None
    return template


ChatTemplate = Annotated[str, AfterValidator(_is_jinja)]


class Instruction(Section):
    """A prompt and its completion; the loss counts the completion only.

    With `label_words` the completion is the label's word, and the words' log-likelihoods classify.
    """

    kind: Literal["instruction"]
    prompt: Template
    """Template over a row's fields, such as `{text} The mood is`."""
    completion: Template = "{label}"
    """Template over a row's fields; `{label}` stands for the label's word where `label_words` is given."""
    end_token: str | None = None
    """Token that ends a completion; by default the tokenizer's end-of-text token. Adapters leave the output layer as it
    is, so name another where the base was never taught to write that one."""
    label_words: dict[str, str] | None = None
    """Label name to the words that stand for it in the completion."""

    @model_validator(mode="after")
    def _words_are_told_apart(self) -> "Instruction":
        words = self.label_words
        if words is not None and (len(words) < 2 or len(set(words.values())) < len(words)):
            raise ValueError("label_words needs two labels or more, each with words of its own")
        return self


class SequenceClassification(Section):
    """A head over the last token (Llama) or the first (BERT); one label a row. Several labels a row are not built."""

    kind: Literal["classification"]
    text: Template = "{text}"
    """Template over a row's fields."""
    labels: Annotated[list[str], Field(min_length=2)]
    """Label names, in the order of the head's outputs."""


class Chat(Section):
    """Conversations in the field `messages`; the loss counts the assistant's turns, with the token that ends each.

    Messages are a JSON list of objects with `role` (system, user, assistant) and `content`.
    """

    kind: Literal["chat"]
    template: ChatTemplate | None = None
    """Jinja chat template, as transformers reads it; by default the tokenizer's own."""
    train_on: Literal["assistant", "last"] = "assistant"
    """Count every turn of the assistant, or the last one only."""


class Text(Section):
    """Continued pretraining; the loss counts every token but the first. Longer documents are cut into several rows,
    unless `training.long_documents` says otherwise."""

    kind: Literal["text"]
    text: Template = "{text}"
    """Template over a row's fields."""
    end_token: str | None = None
    """Token that ends a document; by default the tokenizer's end-of-text token."""


Task = Annotated[Instruction | SequenceClassification | Chat | Text, Field(discriminator="kind")]


def has_labels(task: Task) -> bool:
    """Whether its rows belong to one of some classes."""
    return isinstance(task, SequenceClassification) or (isinstance(task, Instruction) and task.label_words is not None)
