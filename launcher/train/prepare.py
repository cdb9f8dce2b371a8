"""From a recipe to what workers need: the base model's folder and encoded rows."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher.data.dataset import Dataset
from launcher.data.encode import encode_example, encode_question, whole_text
from launcher.model.fetch import fetch_model, is_local
from launcher.model.quiet import quiet_libraries
from launcher.model.tokenizer import check_vocabulary, load_tokenizer
from launcher.plan.preview import Preview
from launcher.recipe.model import Pretrained, Scratch
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE
from launcher.storage.store import Store
from launcher.train.job import EncodedData


@dataclass(frozen=True, slots=True)
class Prepared:
    """The base model on this machine, and all rows as token ids."""

    folder: Path
    data: EncodedData


@contextmanager
def prepared(recipe: Recipe, ahead: Preview) -> Iterator[Prepared]:
    """Fetch or make the base and encode the rows; a model from scratch stands in a folder that goes afterwards.

    Raises:
        InvalidInput: model and tokenizer do not go together, or rows do not fit.
    """
    quiet_libraries(ahead.plan.placement.device)
    with tempfile.TemporaryDirectory(prefix="ll-base-") as scratch:
        if isinstance(recipe.model, Scratch):
            from launcher.model.scratch import make_scratch_model

            folder = Path(scratch)
            make_scratch_model(recipe.model, folder, [whole_text(row, recipe.task) for row in ahead.dataset.train])
        else:
            folder = fetch_model(recipe.model)
        yield Prepared(folder, _encode(recipe, folder, ahead.dataset, ahead.config["vocab_size"]))


def _encode(recipe: Recipe, folder: Path, dataset: Dataset, embedding_rows: int) -> EncodedData:
    tokenizer = load_tokenizer(folder, recipe.model)
    check_vocabulary(tokenizer, embedding_rows, recipe.model)
    task, length = recipe.task, recipe.training.max_length
    return EncodedData(
        [encode_example(row, task, tokenizer, length) for row in dataset.train],
        [encode_question(row, task, tokenizer, length) for row in dataset.test],
    )


def place_base(recipe: Recipe, ready: Prepared, store: Store) -> Pretrained:
    """Where every worker finds the base model; one from scratch is stored with the run, as nobody else has it."""
    if isinstance(recipe.model, Scratch):
        store.upload(ready.folder, BASE)  # again in each attempt: the last one may have been killed half-way
        return Pretrained(kind="pretrained", name_or_path=f"{store.location}/{BASE}")
    name = recipe.model.name_or_path
    if "://" in name or not is_local(name):
        return recipe.model
    return recipe.model.model_copy(update={"name_or_path": str(ready.folder)})
