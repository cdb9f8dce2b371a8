"""`data:` where rows come from, what their columns mean, and how they are split."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from launcher.recipe.section import Section

Name = Annotated[str, Field(min_length=1)]


class Files(Section):
    """What sources in files share; `.gz`, `.bz2`, `.xz`, `.zst` and `.zip` are unpacked by the file's name."""

    url: str | Annotated[list[str], Field(min_length=1)]
    """A local path or any fsspec URL, a glob of them, or a list; the files of a glob are read in the order of their
    names."""


class TextFiles(Files):
    """What files of text share."""

    encoding: str = "utf-8"


class Delimited(TextFiles):
    """What CSV and TSV files share."""

    columns: list[str] | None = None
    """Column names of files without a header line; with a header line, leave out."""


class Csv(Delimited):
    """Comma-separated, quoted as RFC 4180 says."""

    kind: Literal["csv"]


class Tsv(Delimited):
    """Tab-separated; quotes mean themselves."""

    kind: Literal["tsv"]


class Jsonl(TextFiles):
    """One JSON object a line."""

    kind: Literal["jsonl"]


class Json(TextFiles):
    """One JSON array of objects a file."""

    kind: Literal["json"]


class Parquet(Files):
    """Parquet files."""

    kind: Literal["parquet"]


class Arrow(Files):
    """Arrow IPC, as file or stream; each file tells which it is."""

    kind: Literal["arrow"]


class PlainText(TextFiles):
    """Documents as they are written; one column, `text`."""

    kind: Literal["text"]
    documents: Literal["file", "paragraph", "line"]
    """What one row is. Blank lines divide paragraphs, and no document is blank."""


class LabelledLines(TextFiles):
    """A text and its label a line, told apart by the last separator in it; columns `text` and `label`."""

    kind: Literal["labelled-lines"]
    separator: Name

    @field_validator("separator")
    @classmethod
    def _stands_in_a_line(cls, separator: str) -> str:
        if "\n" in separator:
            raise ValueError("a separator stands between text and label on one line; it cannot hold a line break")
        return separator


class HuggingFace(Section):
    """A data set of the Hugging Face Hub, or a local folder laid out like one."""

    kind: Literal["huggingface"]
    dataset: Name
    """Its id, such as `org/name`, or the path of a folder."""
    revision: str | None = None
    """Branch, tag or commit."""
    subset: str | None = None
    """Which of its subsets (configurations), where it has several."""
    split: Name
    """Such as `train`, or `train[:10%]` where it is not streamed."""
    streaming: bool = False
    """Read rows as they arrive instead of keeping the whole set on this machine's disk."""


class Headlines(Section):
    """Synthetic financial headlines, made on the spot; columns `text` and `label`."""

    kind: Literal["headlines"]
    rows_per_class: PositiveInt
    templates: Literal["seen", "held-out"]
    """Which templates to write with: no template is in both sets."""
    seed: int


Source = Annotated[
    Csv | Tsv | Jsonl | Json | Parquet | Arrow | PlainText | LabelledLines | HuggingFace | Headlines,
    Field(discriminator="kind"),
]


class Split(Section):
    """Exact counts a class, drawn by seed from the rows of `train` after de-duplication.

    Rows of a task without labels are one class.
    """

    train_per_class: PositiveInt | None = None
    """Null for all the rest."""
    test_per_class: NonNegativeInt = 0
    validation_per_class: NonNegativeInt = 0
    seed: int = 42


class Data(Section):
    train: Source
    test: Source | None = None
    validation: Source | None = None
    """Rows to evaluate on while training."""
    split: Split | None = None
    """Cuts rows out of `train`."""
    fields: dict[str, str] = {}
    """Field name in the templates to column name in the source; others keep their name."""
    labels: dict[str, str] = {}
    """How a label is written in the source to its name; empty where they are the same."""
    numbers_as_text: bool = False
    """Let the model read numbers, true and false as JSON writes them; otherwise a column of them is refused where text
    is expected."""
    deduplicate: bool = True
    """Drop repeated texts, texts that carry two labels, validation rows that stand in `test`, and training rows that
    stand in either; then split."""

    @model_validator(mode="after")
    def _one_source_of_test_rows(self) -> "Data":
        if (self.test is None) == (self.split is None or self.split.test_per_class == 0):
            raise ValueError("give either test (a source) or split (counts cut from train), not both and not neither")
        return self

    @model_validator(mode="after")
    def _one_source_of_validation_rows(self) -> "Data":
        if self.validation is not None and self.split is not None and self.split.validation_per_class > 0:
            raise ValueError("give either validation (a source) or split.validation_per_class, not both")
        return self
