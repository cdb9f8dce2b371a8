"""From a recipe to what workers need: the base model's folder, and the rows to score."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from launcher.data.encode import encode_test_rows
from launcher.data.fields import label_names
from launcher.data.rows import Row
from launcher.model.base import base_folder
from launcher.model.fetch import is_local
from launcher.model.quiet import quiet_libraries
from launcher.model.tokenizer import check_vocabulary, load_tokenizer
from launcher.plan.preview import Preview
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained, Scratch
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE
from launcher.storage.store import Store
from launcher.train.job import Judged, JudgedData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Prepared:
    """The base model on this machine, and the rows to score as token ids."""

    recipe: Recipe
    """As workers in other working directories read it."""
    folder: Path
    tokenizer: "PreTrainedTokenizerBase"
    judged: JudgedData


@contextmanager
def prepared(recipe: Recipe, ahead: Preview) -> Iterator[Prepared]:
    """Fetch or make the base, in a folder that goes afterwards, and encode the rows to score.

    Raises:
        InvalidInput: model and tokenizer do not go together, or rows do not fit.
    """
    quiet_libraries(ahead.plan.placement.device)
    with base_folder(recipe, ahead.dataset.train) as folder:
        tokenizer = load_tokenizer(folder, recipe.model)
        check_vocabulary(tokenizer, ahead.config["vocab_size"], recipe.model)

        def judged(rows: Sequence[Row], path: str) -> Judged:
            labels = label_names(recipe.task)
            truths = None if labels is None else [labels.index(row.label or "") for row in rows]
            length = recipe.training.max_length
            return Judged(encode_test_rows(rows, recipe.task, tokenizer, length, path) if rows else [], truths)

        dataset = ahead.dataset
        data = JudgedData(judged(dataset.validation, "data.validation"), judged(dataset.test, "data.test"))
        yield Prepared(_everywhere(recipe), folder, tokenizer, data)


def _everywhere(recipe: Recipe) -> Recipe:
    """The recipe with the adapter to start from, which has to fit, under a name that holds in every directory."""
    method = recipe.method
    if isinstance(method, Full) or method.warm_start is None:
        return recipe
    from launcher.model.warm_start import absolute, check_same_kind, read_adapter

    check_same_kind(read_adapter(method.warm_start), method)
    start = absolute(method.warm_start)
    return recipe.model_copy(update={"method": method.model_copy(update={"warm_start": start})})


def place_base(recipe: Recipe, ready: Prepared, store: Store) -> Pretrained:
    """Where every worker finds the base model; one from scratch is stored with the run, as nobody else has it."""
    if isinstance(recipe.model, Scratch):
        store.upload(ready.folder, BASE)  # again in each attempt: the last one may have been killed half-way
        return Pretrained(kind="pretrained", name_or_path=f"{store.location}/{BASE}")
    name = recipe.model.name_or_path
    if "://" in name or not is_local(name):
        return recipe.model
    return recipe.model.model_copy(update={"name_or_path": str(ready.folder)})
