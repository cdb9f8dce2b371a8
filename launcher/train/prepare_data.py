"""`launcher prepare`: a recipe's training rows, encoded once and kept where every run can read them."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich import progress as bar
from rich.console import Console

from launcher.cluster.machine import this_machine
from launcher.cluster.profile import Local
from launcher.data.dataset import load_dataset
from launcher.data.encode import whole_text
from launcher.data.prepared.manifest import Manifest
from launcher.data.prepared.prepare import Progress, find_prepared, prepare
from launcher.data.prepared.work import Encoding, Sizes, Work
from launcher.data.rows import Rows
from launcher.errors import InvalidInput
from launcher.model.config import model_config
from launcher.model.fetch import WHOLE, fetch_model
from launcher.model.quiet import quiet_libraries
from launcher.model.tokenizer import check_vocabulary, load_tokenizer
from launcher.plan.placement import Placement
from launcher.recipe.model import Scratch
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store
from launcher.train.console import PLAIN_INTERVAL_S, RunConsole
from launcher.train.interrupts import interrupts
from launcher.train.ray_local import local_ray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WITHOUT_WEIGHTS = [pattern for pattern in WHOLE if pattern != "*.safetensors"]


def prepare_recipe(recipe: Recipe, profile: Local, url: str, sizes: Sizes, console: Console) -> int:
    """Prepare the training rows of a recipe in a folder; returns the exit code. What is there already is not redone.

    As many tasks run at once as the profile has workers, or the machine cores.

    Raises:
        LauncherError: the input is wrong, the folder holds another data set, or a task failed.
    """
    if url.startswith("memory:"):
        raise InvalidInput(f"--to: {url} ends with the process; give a path or a bucket")
    if sizes.shard < 1:
        raise InvalidInput(f"--shard-size: {sizes.shard} is too small; give 1 or more")
    store = Store.open(url)
    store.check_writable()
    tasks = profile.workers or this_machine().cores
    with RunConsole(console) as screen, interrupts():
        screen.wait("reading the rows")
        rows = load_dataset(recipe).train
        assert isinstance(rows, Rows)
        quiet_libraries("cpu")
        with _tokenizer(recipe, rows) as tokenizer:
            work = Work.of(rows, Encoding(recipe.task, tokenizer, recipe.training.max_length, sizes))
        manifest = find_prepared(work, store)
        if manifest is not None:
            screen.line(f"already prepared in {store.location}")
        else:
            screen.wait("starting Ray")
            with local_ray(Placement(tasks, "cpu", 1)):
                screen.line(f"encoding  {len(rows):,} rows in {tasks} tasks")
                with _shown(console) as show:
                    manifest = prepare(work, store, tasks, show)
        screen.line("\n".join(summary(manifest)))
        screen.line(f"data set  {store.location}")
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


@contextmanager
def _tokenizer(recipe: Recipe, rows: Rows) -> Iterator["PreTrainedTokenizerBase"]:
    """The tokenizer that a run of this recipe has."""
    config = model_config(recipe.model)
    with tempfile.TemporaryDirectory(prefix="ll-base-") as scratch:
        folder = Path(scratch)
        if isinstance(recipe.model, Scratch):
            from launcher.model.scratch import make_scratch_model

            make_scratch_model(recipe.model, folder, (whole_text(row, recipe.task) for row in rows))
        else:
            folder = fetch_model(recipe.model, WITHOUT_WEIGHTS)
        tokenizer = load_tokenizer(folder, recipe.model)
        check_vocabulary(tokenizer, config["vocab_size"], recipe.model)
        yield tokenizer


@contextmanager
def _shown(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A progress bar, or now and then a plain line where there is no terminal."""
    if not console.is_terminal:
        yield _plain(console)
        return
    columns = (
        bar.BarColumn(),
        bar.TaskProgressColumn(),
        bar.TextColumn("{task.description}"),
        bar.TimeRemainingColumn(),
    )
    with bar.Progress(*columns, console=console, transient=True) as live:
        task = live.add_task("", total=None)
        yield lambda now: live.update(task, total=now.all_rows, completed=now.rows, description=_line(now))


def _plain(console: Console) -> Callable[[Progress], None]:
    printed = float("-inf")

    def show(now: Progress) -> None:
        nonlocal printed
        if time.monotonic() - printed >= PLAIN_INTERVAL_S:
            printed = time.monotonic()
            console.print(f"{now.rows / now.all_rows:.0%}  {_line(now)}", highlight=False)

    return show


def _line(now: Progress) -> str:
    return f"{now.documents:,} documents, {now.tokens:,} tokens"
