"""What every part of a recipe or profile shares: unknown keys are refused, values are never coerced."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping; the docstring under a field describes it in the JSON Schema."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )
