"""A run directory as training leaves it, without the training: random trained weights, committed by a real saver."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import nn

from launcher.checkpoint.contents import Origin
from launcher.checkpoint.destination import Destination
from launcher.checkpoint.fragment import WEIGHT, Fragment, Slot
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.manifest import folder_manifest
from launcher.checkpoint.outcome import Saved
from launcher.checkpoint.saver import Saver
from launcher.model.adapt import TrainableModel, adapt
from launcher.model.digest import base_digest
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import MODEL, RECIPE
from launcher.storage.store import Store

CPU = torch.device("cpu")
NOISE = 0.05


def trained_like(recipe: Recipe, base: Path, seed: int = 1) -> TrainableModel:
    """The recipe's model, every trained weight moved at random."""
    model = adapt(load_model(recipe, base, load_tokenizer(base, recipe.model), CPU), recipe)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(NOISE * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def open_run(store: Store, recipe: Recipe) -> Attempt:
    store.create(RECIPE, resolved_yaml(recipe).encode())
    return Journal(store).open_attempt("local", "1", ["here"])


def commit(
    store: Store,
    attempt: Attempt,
    recipe: Recipe,
    base: Path,
    *models: nn.Module,
    state: Mapping[str, Any] | None = None,
) -> None:
    """Commit each model after ten more steps."""
    held = [(name, each) for name, each in models[0].named_parameters() if each.requires_grad]
    where = Destination(
        run_url=store.location,
        attempt=attempt.number,
        nonce=attempt.nonce,
        origin=Origin("run", recipe.model_dump(mode="json"), recipe.digest, {}, {"digest": base_digest(base)}),
        trained={name: each.numel() for name, each in held},
        world=1,
        node=0,
        local_world=1,
    )
    with closing(Saver(where, 0, starts=True)) as saver:
        for number, model in enumerate(models, start=1):
            weights = [(name, each.detach()) for name, each in model.named_parameters() if each.requires_grad]
            fragments = [Fragment(Slot(name, WEIGHT), 0, each.numel(), each.reshape(-1)) for name, each in weights]
            saver.save(10 * number, fragments, dict(state or {}), None)
            assert isinstance(saver.poll(60), Saved)


def finish(store: Store, attempt: Attempt, recipe: Recipe, base: Path, model: TrainableModel, folder: Path) -> None:
    """Commit a model as the one that the run ended with."""
    model.save_pretrained(str(folder))
    load_tokenizer(base, recipe.model).save_pretrained(folder)
    manifest = folder_manifest(folder)
    (folder / "MANIFEST.json").write_bytes(manifest.content)
    store.upload(folder, MODEL)
    attempt.commit(100, MODEL, manifest.digest)
