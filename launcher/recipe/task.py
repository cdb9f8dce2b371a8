"""`task:` what the model learns to do with a row."""

from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from launcher.recipe.section import Section


def template_fields(template: str) -> list[str]:
    """Names of the `{fields}` in a template, in order.

    Raises:
        ValueError: an unmatched brace, or a field that is not a plain name.
    """
    names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
    for name in names:
        if not name.isidentifier():
            raise ValueError(f"field {{{name}}} is not a plain name; write {{{{ and }}}} for literal braces")
    return names


class Instruction(Section):
    """A prompt and its completion; the loss counts the completion only.

    With `label_words` the completion is the label's word, and the words' log-likelihoods classify.
    """

    kind: Literal["instruction"]
    prompt: str
    """Template over a row's fields, such as `{text} The mood is`."""
    completion: str = "{label}"
    """Template over a row's fields; `{label}` stands for the label's word where `label_words` is given."""
    label_words: dict[str, str] | None = None
    """Label name to the words that stand for it in the completion."""

    @field_validator("prompt", "completion")
    @classmethod
    def _parses(cls, template: str) -> str:
        template_fields(template)
        return template

    @model_validator(mode="after")
    def _words_are_told_apart(self) -> "Instruction":
        words = self.label_words
        if words is not None and (len(words) < 2 or len(set(words.values())) < len(words)):
            raise ValueError("label_words needs two labels or more, each with words of its own")
        return self


class SequenceClassification(Section):
    """A head over the last token (Llama) or the first (BERT); one label a row."""

    kind: Literal["classification"]
    text: str = "{text}"
    """Template over a row's fields."""
    labels: Annotated[list[str], Field(min_length=2)]
    """Label names, in the order of the head's outputs."""

    @field_validator("text")
    @classmethod
    def _parses(cls, template: str) -> str:
        template_fields(template)
        return template


Task = Annotated[Instruction | SequenceClassification, Field(discriminator="kind")]
