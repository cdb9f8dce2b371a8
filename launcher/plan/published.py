"""Rows of public data sets, so that the shipped recipes are planned without a network."""

import re

from launcher.recipe.data import HuggingFace

PUBLISHED = {
    # Each card's `dataset_info`, under https://huggingface.co/datasets/
    "stanfordnlp/imdb": {"train": 25_000, "test": 25_000, "unsupervised": 50_000},
    "tatsu-lab/alpaca": {"train": 52_002},
    "HuggingFaceH4/ultrachat_200k": {
        "train_sft": 207_865, "test_sft": 23_110, "train_gen": 256_032, "test_gen": 28_304
    },
}  # fmt: skip
"""Rows by data set and split."""
_SPLIT = re.compile(r"(\w+)(?:\[(-?\d*)(%?):(-?\d*)(%?)\])?")


def published_rows(source: HuggingFace) -> int | None:
    """Rows of a split or a slice of one, such as `test[:2000]` or `train[10%:]`; None where they are not known."""
    split = _SPLIT.fullmatch(source.split)
    rows = PUBLISHED.get(source.dataset, {}).get(split[1]) if split else None
    if split is None or rows is None:
        return None
    begin, end = (_bound(split[at], split[at + 1], rows) for at in (2, 4))
    return len(range(*slice(begin, end).indices(rows)))


def _bound(number: str | None, percent: str | None, rows: int) -> int | None:
    if not number:
        return None
    return round(int(number) * rows / 100) if percent else int(number)
