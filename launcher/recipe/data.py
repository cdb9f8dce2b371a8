"""`data:` where rows come from, what their columns mean, and how they are split."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from launcher.recipe.section import Section


class Delimited(Section):
    """What CSV and TSV files share."""

    url: str
    """A local path or any fsspec URL."""
    encoding: str = "utf-8"
    columns: list[str] | None = None
    """Column names of a file without a header line; with a header line, leave out."""


class Csv(Delimited):
    """Comma-separated, quoted as RFC 4180 says."""

    kind: Literal["csv"]


class Tsv(Delimited):
    """Tab-separated; quotes mean themselves."""

    kind: Literal["tsv"]


class Jsonl(Section):
    """One JSON object a line."""

    kind: Literal["jsonl"]
    url: str
    encoding: str = "utf-8"


class Headlines(Section):
    """Synthetic financial headlines, made on the spot; columns `text` and `label`."""

    kind: Literal["headlines"]
    rows_per_class: PositiveInt
    templates: Literal["seen", "held-out"]
    """Which templates to write with: no template is in both sets."""
    seed: int


Source = Annotated[Csv | Tsv | Jsonl | Headlines, Field(discriminator="kind")]


class Split(Section):
    """Exact counts a class, drawn by seed from the rows of `train` after de-duplication."""

    train_per_class: PositiveInt
    test_per_class: PositiveInt
    seed: int = 42


class Data(Section):
    train: Source
    test: Source | None = None
    split: Split | None = None
    """Cuts train and test rows from `train`; give either this or `test`."""
    fields: dict[str, str] = {}
    """Field name in the templates to column name in the source; others keep their name."""
    labels: dict[str, str] = {}
    """How a label is written in the source to its name; empty where they are the same."""
    deduplicate: bool = True
    """Drop repeated texts, texts that carry two labels, and training rows that stand in `test`; then split."""

    @model_validator(mode="after")
    def _one_source_of_test_rows(self) -> "Data":
        if (self.test is None) == (self.split is None):
            raise ValueError("give either test (a source) or split (counts cut from train), not both and not neither")
        return self
