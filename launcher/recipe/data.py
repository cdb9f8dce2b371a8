"""`data:` where rows come from, what their columns mean, and how they are split."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

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


class Prepared(Section):
    """A data set that `launcher prepare` wrote, or Parquet files of token ids that it indexed; only to train on.

    Its rows are not read: they are neither de-duplicated nor split, and need no `fields` and `labels`.
    """

    kind: Literal["prepared"]
    url: Name
    """The folder of its `manifest.json`, as path or fsspec URL."""


_Rows: TypeAlias = Csv | Tsv | Jsonl | Json | Parquet | Arrow | PlainText | LabelledLines | HuggingFace | Headlines
Source = Annotated[_Rows, Field(discriminator="kind")]


class MixedSource(Section):
    """One of several sources, and its share of what is trained on."""

    source: Annotated[_Rows | Prepared, Field(discriminator="kind")]
    weight: PositiveFloat
    """Its share is this out of the sum of all weights, which may be any number."""
    fields: dict[str, str] | None = None
    """As `data.fields`, in place of which it stands; null takes those."""
    labels: dict[str, str] | None = None
    """As `data.labels`, in place of which it stands; null takes those."""


class Mixture(Section):
    """Several sources to train on, drawn from by weight. One that ends begins again, so `training.max_steps` ends the
    run."""

    kind: Literal["mixture"]
    sources: Annotated[dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")], MixedSource], Field(min_length=1)]
    """Each under a name of its own; their order says nothing."""


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
    train: Annotated[_Rows | Prepared | Mixture, Field(discriminator="kind")]
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
    corrupt_blocks: Literal["stop", "quarantine"] = "stop"
    """What a block of prepared data does that stays corrupt when it is read again: it ends the run, or the run goes on
    without its documents, and says which."""

    @property
    def train_sources(self) -> dict[str, MixedSource]:
        """What to train on by key path; those of a mixture in the order of their names."""
        if isinstance(self.train, Mixture):
            return {f"data.train.sources.{name}": one for name, one in sorted(self.train.sources.items())}
        return {"data.train": MixedSource(source=self.train, weight=1.0)}

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
