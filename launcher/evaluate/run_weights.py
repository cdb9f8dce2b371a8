"""What a run has trained, to be loaded: the model that it ended with, or any live commit."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml

from launcher.checkpoint.committed import read_manifest
from launcher.checkpoint.contents import Damaged
from launcher.checkpoint.entries import Commit, live_commits
from launcher.checkpoint.journal import Journal
from launcher.checkpoint.restore import Checkpoint, newest_valid, open_checkpoint
from launcher.errors import InvalidInput
from launcher.model.adapt import TrainableModel, adapt
from launcher.model.digest import base_digest
from launcher.model.fetch import fetch_model
from launcher.model.fill import fill
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.storage.client import single_try
from launcher.storage.layout import BASE, CHECKPOINTS, MODEL, RECIPE
from launcher.storage.retry import Retry
from launcher.storage.store import Store

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunWeights:
    """A run's weights on this machine's disk, and all that is needed to load them."""

    recipe: Recipe
    tokenizer: "PreTrainedTokenizerBase"
    base_folder: Path
    source: Path | Checkpoint
    """The finished model's folder, or a verified checkpoint."""

    def base(self, device: torch.device) -> "PreTrainedModel":
        """The base, loaded anew as the run loads it."""
        return load_model(self.recipe, self.base_folder, self.tokenizer, device)

    def tuned(self, device: torch.device) -> TrainableModel:
        """The tuned model, in evaluation mode.

        Raises:
            InvalidInput: the weights do not fit the base.
        """
        if isinstance(self.recipe.method, Full) and isinstance(self.source, Path):
            return load_model(self.recipe, self.source, self.tokenizer, device)
        return self.over(self.base(device))

    def over(self, base: "PreTrainedModel") -> TrainableModel:
        """The tuned model made of a base, which becomes part of it; not of a finished one that was trained whole."""
        if isinstance(self.source, Checkpoint):
            model = adapt(base, _started_fresh(self.recipe))
            fill(model, self.source)
            return model.eval()
        return adapt(base, self.recipe, adapter=str(self.source)).eval()


@contextmanager
def run_weights(store: Store, tell: Tell, step: int | None = None) -> Iterator[RunWeights]:
    """The weights that a run ended with, or those of a commit.

    Args:
        tell: Gets a line where it is not the finished model, and one for each commit that is passed over.
        step: Of the commit; by default the finished model, and before there is one the newest commit that verifies.

    Raises:
        InvalidInput: there is no such commit, or the base is another one than the run's.
        Damaged: the commit that was asked for does not verify.
    """
    commits = live_commits(Journal(store, Retry()).entries())
    with ExitStack() as stack:
        fetched = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ll-run-")))
        source = _source(store, commits, step, tell, fetched)
        if isinstance(source, Checkpoint):
            recipe = Recipe.model_validate(source.manifest.origin.recipe)
        else:
            recipe = Recipe.model_validate(yaml.safe_load(store.read(RECIPE)))
        base_folder = stack.enter_context(_base_folder(store, recipe))
        _check_base(store, commits, source, base_folder)
        model_folder = base_folder if isinstance(source, Checkpoint) else stack.enter_context(_folder(store, source))
        tokenizer = load_tokenizer(model_folder, recipe.model)
        yield RunWeights(recipe, tokenizer, base_folder, source if isinstance(source, Checkpoint) else model_folder)


def _source(store: Store, commits: list[Commit], step: int | None, tell: Tell, folder: Path) -> str | Checkpoint:
    """The finished model's name, or a checkpoint."""
    if step is not None:
        found = [commit for commit in commits if commit.step == step]
        if not found:
            steps = ", ".join(str(each) for each in dict.fromkeys(commit.step for commit in commits)) or "none"
            raise InvalidInput(
                f"--commit: {store.location} has no live commit after step {step} (it has: {steps}); see "
                "`launcher checkpoints`"
            )
        whole = [commit for commit in found if commit.checkpoint != MODEL]
        return open_checkpoint(store, whole[-1], tell, folder) if whole else MODEL
    if any(commit.checkpoint == MODEL for commit in commits):
        return MODEL
    checkpoint = newest_valid(store, Journal(store, Retry()), tell, folder)
    if checkpoint is None:
        raise InvalidInput(f"{store.location}: the run has committed no model; see its journal/ and logs/")
    tell(f"the run has not ended: from its commit after step {checkpoint.commit.step:,}")
    return checkpoint


def _started_fresh(recipe: Recipe) -> Recipe:
    """Without the adapter that the run went on from, which may be gone: its weights are written over anyway."""
    if isinstance(recipe.method, Full):
        return recipe
    return recipe.model_copy(update={"method": recipe.method.model_copy(update={"warm_start": None})})


def _check_base(store: Store, commits: list[Commit], source: str | Checkpoint, folder: Path) -> None:
    """Hold the base against what checkpoints say of it; a run that has none left tells nothing."""
    written = source.manifest.origin.base if isinstance(source, Checkpoint) else _told_base(store, commits)
    if written is not None and written["digest"] != (found := base_digest(folder)):
        raise InvalidInput(
            f"model: {folder} holds another base than the run was trained on (digest {found[:12]}, the run's "
            f"{written['digest'][:12]}); put that one back"
        )


def _told_base(store: Store, commits: list[Commit]) -> "dict[str, Any] | None":
    single = single_try(store)
    for commit in reversed(commits):
        if commit.checkpoint.startswith(f"{CHECKPOINTS}/"):
            try:
                return dict(read_manifest(single, commit, Retry()).origin.base)
            except Damaged:  # an older one says the same
                continue
    return None


@contextmanager
def _folder(store: Store, name: str) -> Iterator[Path]:
    local = store.local_path(name)
    if local is not None:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="ll-run-") as folder:
        store.download(name, Path(folder))
        yield Path(folder)


@contextmanager
def _base_folder(store: Store, recipe: Recipe) -> Iterator[Path]:
    if isinstance(recipe.model, Pretrained):
        yield fetch_model(recipe.model)
    else:
        with _folder(store, BASE) as folder:
            yield folder
