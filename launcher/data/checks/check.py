"""Every check of the data, in one report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from launcher.data.checks.encoded import encode_sample
from launcher.data.checks.finding import Finding, Verdict
from launcher.data.checks.lengths import Lengths, check_lengths, lengths
from launcher.data.checks.masked import check_masked
from launcher.data.checks.repeated import check_repeated
from launcher.data.checks.sample import draw
from launcher.data.checks.shown import Shown, show
from launcher.data.checks.vocabulary import check_marks, check_vocabulary
from launcher.data.dataset import Dataset
from launcher.recipe.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORST: tuple[Verdict, ...] = ("fail", "warn", "ok")


@dataclass(frozen=True, slots=True)
class DataReport:
    rows: int
    """There are to train on, without those of prepared data sets."""
    sampled: int
    """Of them, which were turned into tokens."""
    max_length: int
    lengths: Lengths | None
    """None where there are no rows to look at."""
    findings: tuple[Finding, ...]
    examples: tuple[Shown, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {finding.verdict for finding in self.findings}
        return next((each for each in WORST if each in found), "ok")


def check_data(
    recipe: Recipe, dataset: Dataset, tokenizer: "PreTrainedTokenizerBase", config: Mapping[str, Any]
) -> DataReport:
    """Look at a seeded sample of the rows to train on as tokens, and at all rows as texts.

    Args:
        config: The model's config.json.

    Raises:
        InvalidInput: task and tokenizer do not go together.
    """
    length = recipe.training.max_length
    if not dataset.train:  # prepared before, and looked at then
        return DataReport(0, 0, length, None, (), ())
    sample = draw(dataset.train)
    rows = encode_sample(sample.rows, recipe, tokenizer)
    findings = (
        *check_lengths(rows, recipe, config.get("max_position_embeddings")),
        *check_masked(rows),
        *check_repeated(dataset, recipe),
        *check_vocabulary(rows, recipe, tokenizer, config),
        *check_marks(sample.rows, recipe, tokenizer),
    )
    return DataReport(sample.of, len(rows), length, lengths(rows), findings, show(rows, recipe, tokenizer))
