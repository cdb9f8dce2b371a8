"""From a recipe to what workers need: the base model's folder and encoded rows."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from launcher.data.encode import all_masked, encode_rows, encode_test_rows, whole_text
from launcher.data.fields import label_names
from launcher.data.rows import Row
from launcher.data.table import ExampleTable, write_examples
from launcher.model.fetch import fetch_model, is_local
from launcher.model.quiet import quiet_libraries
from launcher.model.tokenizer import check_vocabulary, load_tokenizer
from launcher.plan.batch import BatchPlan, plan_batches
from launcher.plan.preview import Preview
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained, Scratch
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE
from launcher.storage.store import Store
from launcher.train.job import EncodedData, Judged


@dataclass(frozen=True, slots=True)
class Prepared:
    """The base model on this machine, and all rows as token ids."""

    recipe: Recipe
    """As workers in other working directories read it."""
    folder: Path
    data: EncodedData
    batches: BatchPlan
    masked: int
    """Training rows left out, as cutting them left no label."""


@contextmanager
def prepared(recipe: Recipe, ahead: Preview) -> Iterator[Prepared]:
    """Fetch or make the base and encode the rows, in a folder that goes afterwards.

    Raises:
        InvalidInput: model and tokenizer do not go together, or rows do not fit.
    """
    quiet_libraries(ahead.plan.placement.device)
    with tempfile.TemporaryDirectory(prefix="ll-prepared-") as scratch:
        if isinstance(recipe.model, Scratch):
            from launcher.model.scratch import make_scratch_model

            folder = Path(scratch, "base")
            make_scratch_model(recipe.model, folder, (whole_text(row, recipe.task) for row in ahead.dataset.train))
        else:
            folder = fetch_model(recipe.model)
        yield _encode(recipe, folder, ahead, Path(scratch, "train.arrow"))


def _encode(recipe: Recipe, folder: Path, ahead: Preview, file: Path) -> Prepared:
    """Encode the rows; those to train on go to a file."""
    tokenizer = load_tokenizer(folder, recipe.model)
    check_vocabulary(tokenizer, ahead.config["vocab_size"], recipe.model)
    task, length = recipe.task, recipe.training.max_length
    masked = write_examples(file, encode_rows(ahead.dataset.train, task, tokenizer, length))
    train = ExampleTable(file)
    if not train:
        raise all_masked("data.train", length)

    def judged(rows: Sequence[Row], path: str) -> Judged:
        labels = label_names(task)
        truths = None if labels is None else [labels.index(row.label or "") for row in rows]
        return Judged(encode_test_rows(rows, task, tokenizer, length, path) if rows else [], truths)

    data = EncodedData(
        train, judged(ahead.dataset.validation, "data.validation"), judged(ahead.dataset.test, "data.test")
    )
    batches = plan_batches(recipe.training, world=ahead.plan.placement.workers, rows=len(train))
    return Prepared(_everywhere(recipe), folder, data, batches, masked)


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
