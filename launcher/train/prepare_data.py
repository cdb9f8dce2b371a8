"""`launcher prepare`: a recipe's training rows, encoded once and kept where every run can read them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from launcher.cluster.machine import this_machine
from launcher.cluster.profile import Local, Profile
from launcher.data.dataset import load_dataset
from launcher.data.prepared.fingerprint import check_tokenizer
from launcher.data.prepared.manifest import Manifest
from launcher.data.prepared.parquet import index_parquet
from launcher.data.prepared.prepare import Progress, find_prepared, prepare
from launcher.data.prepared.verify import read_manifest, verify
from launcher.data.prepared.work import Encoding, Sizes, Work
from launcher.data.rows import Row, Rows
from launcher.errors import InvalidInput
from launcher.model.base import base_folder
from launcher.model.config import model_config
from launcher.model.fetch import WITHOUT_WEIGHTS
from launcher.model.quiet import quiet_libraries
from launcher.model.tokenizer import check_vocabulary, load_tokenizer
from launcher.plan.placement import Placement
from launcher.recipe.model import Scratch
from launcher.recipe.recipe import Recipe
from launcher.storage.leftovers import sweep_scratch
from launcher.storage.store import Store
from launcher.train.bar import progress_bar
from launcher.train.console import RunConsole
from launcher.train.interrupts import interrupts
from launcher.train.ray_local import local_ray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prepare_recipe(recipe: Recipe, profile: Profile, url: str, sizes: Sizes, console: Console) -> int:
    """Prepare the training rows of a recipe in a folder; returns the exit code. What is there already is not redone.

    As many tasks run at once as the profile has workers, or the machine cores.

    Raises:
        LauncherError: the input is wrong, the folder holds another data set, or a task failed.
    """
    if sizes.shard < 1:
        raise InvalidInput(f"--shard-size: {sizes.shard} is too small; give 1 or more")
    store = _writable(url)
    workers = profile.workers if isinstance(profile, Local) else None
    tasks = workers or this_machine().cores
    with RunConsole(console) as screen, interrupts():
        screen.wait("reading the rows")
        rows = _rows(recipe)
        with _tokenizer(recipe, rows) as tokenizer:
            length, long = recipe.training.max_length, recipe.long_documents
            work = Work.of(rows, Encoding(recipe.task, tokenizer, length, sizes, long))
        manifest = find_prepared(work, store)
        if manifest is not None:
            screen.line(f"already prepared in {store.location}")
        else:
            screen.wait("starting Ray")
            with local_ray(Placement(tasks, "cpu", 1)):
                screen.line(f"encoding  {len(rows):,} rows in {tasks} tasks")
                with progress_bar(console) as bar:

                    def show(now: Progress) -> None:
                        bar(now.rows, now.all_rows, f"{now.documents:,} documents, {now.tokens:,} tokens")

                    manifest = prepare(work, store, tasks, show)
        _tell(screen, manifest, store)
    return 0


def index_recipe(recipe: Recipe, url: str, console: Console) -> int:
    """Index a folder of Parquet files of token ids for a recipe's task and tokenizer; returns the exit code.

    Raises:
        LauncherError: the files do not fit, the folder holds another data set, or the store failed.
    """
    store = _writable(url)
    with RunConsole(console) as screen, interrupts():
        screen.wait("loading the tokenizer")
        with _tokenizer(recipe, _read_by_tokenizer(recipe)) as tokenizer:
            screen.line(f"indexing  Parquet files in {store.location}")
            with progress_bar(console) as bar:

                def show(done: int, total: int) -> None:
                    bar(done, total, f"{done:,} of {total:,} files")

                manifest = index_parquet(store, recipe.task, tokenizer, show)
        _tell(screen, manifest, store)
    return 0


def verify_recipe(recipe: Recipe, url: str, console: Console) -> int:
    """Read all that is prepared in a folder again, and see that it is this recipe's tokenizer's; returns the exit code.

    Raises:
        LauncherError: what differs first, or the store failed.
    """
    store = _lasting(url)
    with RunConsole(console) as screen, interrupts():
        found = read_manifest(store)
        screen.wait("loading the tokenizer")
        with _tokenizer(recipe, _read_by_tokenizer(recipe)) as tokenizer:
            check_tokenizer(found, tokenizer, store.location)
        screen.line(f"verifying {store.location}")
        with progress_bar(console) as bar:

            def show(done: int, total: int) -> None:
                bar(done, total, f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB")

            manifest = verify(store, show=show)
        screen.line("every byte is as the manifest says")
        _tell(screen, manifest, store)
    return 0


def summary(manifest: Manifest) -> list[str]:
    """What a data set holds, for people."""
    totals = manifest.totals
    lines = [
        f"documents {totals.documents:,} of {totals.tokens:,} tokens",
        f"shards    {len(manifest.shards):,} with {totals.blocks:,} blocks, "
        f"{sum(shard.size for shard in manifest.shards) / 1e6:,.1f} MB",
        f"digest    {manifest.digest}",
    ]
    if totals.masked:
        lines.append(f"left out  {totals.masked:,} documents, as cutting them leaves no label")
    if totals.truncated:
        lines.append(f"cut       {totals.truncated:,} documents are longer than {manifest.max_length} tokens")
    return lines


def _tell(screen: RunConsole, manifest: Manifest, store: Store) -> None:
    screen.line("\n".join(summary(manifest)))
    screen.line(f"data set  {store.location}")


def _lasting(url: str) -> Store:
    if url.startswith("memory:"):
        raise InvalidInput(f"--to: {url} ends with the process; give a path or a bucket")
    return Store.open(url)


def _writable(url: str) -> Store:
    store = _lasting(url)
    store.check_writable()
    sweep_scratch()
    return store


def _rows(recipe: Recipe) -> Rows:
    """The rows of the one source that a data set is made of."""
    sources = load_dataset(recipe).sources
    if len(sources) > 1:
        raise InvalidInput(
            "data.train: each source of a mixture is a data set of its own; name one of them as data.train and prepare "
            "it by itself"
        )
    if sources[0].rows is None:
        raise InvalidInput("data.train: is prepared already; see it verified with --verify, or give a source of rows")
    return sources[0].rows


def _read_by_tokenizer(recipe: Recipe) -> Sequence[Row]:
    """Rows that the tokenizer is trained on, where it is made for this recipe."""
    return load_dataset(recipe).train if isinstance(recipe.model, Scratch) else ()


@contextmanager
def _tokenizer(recipe: Recipe, rows: Sequence[Row]) -> Iterator["PreTrainedTokenizerBase"]:
    """The tokenizer that a run of this recipe has."""
    quiet_libraries("cpu")
    config = model_config(recipe.model)
    with base_folder(recipe, rows, WITHOUT_WEIGHTS) as folder:
        tokenizer = load_tokenizer(folder, recipe.model)
        check_vocabulary(tokenizer, config["vocab_size"], recipe.model)
        yield tokenizer
