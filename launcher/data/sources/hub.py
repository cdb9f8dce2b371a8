"""Rows of a Hugging Face data set."""

from collections.abc import Iterator
from textwrap import shorten
from typing import Any

from launcher.data.sources.values import Columns
from launcher.errors import InvalidInput
from launcher.recipe.data import HuggingFace

BATCH = 1024
"""Rows that are Python objects at once."""


def hub_rows(source: HuggingFace) -> Iterator[Columns]:
    """Values as the set stores them: a class label is its number, and images and sounds stay undecoded.

    Raises:
        InvalidInput: the set cannot be reached, or has no such revision, subset or split.
    """
    try:
        import datasets
    except ImportError as error:
        raise InvalidInput(
            f"{source.dataset}: {shorten(str(error), 200)}; pip install 'llama-launcher[datasets]'"
        ) from error
    try:
        for table in _split(source).with_format("arrow").iter(BATCH):
            yield from table.to_pylist()
    except InvalidInput:
        raise
    except Exception as error:  # the library, the hub's client and every file format have errors of their own
        hidden = isinstance(error, datasets.exceptions.DatasetGenerationError)
        cause = (error.__cause__ if hidden else None) or error
        reason = shorten(str(cause) or repr(cause), 300)
        raise InvalidInput(f"{source.dataset}: {reason}; {_mend(error)}") from error


def _split(source: HuggingFace) -> Any:
    from datasets import load_dataset_builder
    from datasets.packaged_modules.cache.cache import Cache

    builder = load_dataset_builder(source.dataset, source.subset, revision=source.revision)
    # Where the hub cannot be reached, the library takes the newest copy it once fetched, of whatever revision.
    if source.revision is not None and isinstance(builder, Cache) and builder.hash != source.revision:
        raise InvalidInput(
            f"{source.dataset}: the hub cannot be reached, and this machine has revision {builder.hash}, "
            f"not {source.revision}; say revision: {builder.hash}, or try again with a network"
        )
    if source.streaming:
        return builder.as_streaming_dataset(split=source.split)
    builder.download_and_prepare()
    return builder.as_dataset(split=source.split)


def _mend(error: Exception) -> str:
    if isinstance(error, ConnectionError):
        return "without a network, fetch it beforehand and give its folder, or another kind of source"
    return "check dataset, revision, subset and split; a private or gated set needs HF_TOKEN"
