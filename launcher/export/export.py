"""`launcher export`: what a run has trained, for transformers and peft to load without the launcher."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from peft import PeftModel

from launcher.errors import InvalidInput
from launcher.evaluate.run_weights import RunWeights, Tell, run_weights
from launcher.export.fp32 import compute_in_fp32, dequantised, probe
from launcher.export.layout import NotAsWritten, read_layout, write_layout
from launcher.export.send import empty_target, send
from launcher.model.adapt import TrainableModel
from launcher.model.fetch import is_local
from launcher.model.release import BaseName
from launcher.recipe.method import Full, QLora
from launcher.recipe.model import Scratch
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import BASE
from launcher.storage.runs import find_run
from launcher.storage.store import Store

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CPU = torch.device("cpu")
Kind = Literal["model", "adapter", "merged model"]
EXACT = 1e-4
"""The largest difference between models that are the same but for the order of sums in fp32."""
ROUGH = 0.25
"""Enough to tell rounding from a base that was de-quantised wrongly."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line asks for."""

    run: str
    to: str
    step: int | None = None
    """Of the commit; by default the model that the run ended with, or has come to."""
    merge: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    place: str
    kind: Kind
    size: int
    """In bytes."""
    difference: float
    """See `apart`: between the export and the run's own model in fp32, a merged one's with its base de-quantised."""
    rounding: float
    """Between that and the run's own model as it was trained, in few bits; 0 where nothing was de-quantised."""


def export(wanted: Wanted, tell: Tell) -> Exported:
    """Load, write, load back, compare, and only then store.

    Raises:
        InvalidInput: there is no such run or commit, the target is not empty, or there is nothing to merge.
        NotAsWritten: what was written computes something else; nothing was stored.
    """
    store, target = find_run(wanted.run), empty_target(wanted.to)
    with (
        warnings.catch_warnings(),
        run_weights(store, tell, wanted.step) as weights,
        tempfile.TemporaryDirectory(prefix="ll-export-") as made,
    ):
        warnings.filterwarnings("ignore", module="peft|transformers")  # what they warn of is looked at here
        recipe, folder = weights.recipe, Path(made)
        if wanted.merge and isinstance(recipe.method, Full):
            raise InvalidInput(f"--merge: {recipe.name} trained every weight, and has no adapter; leave --merge out")
        own = exact = probe(weights.tuned(CPU))
        if wanted.merge and isinstance(recipe.method, QLora):
            exact = probe(weights.over(dequantised(weights.base(CPU))))
        kind, again = _written(weights, _base_name(recipe, store), folder, merge=wanted.merge)
        difference, rounding = apart(probe(again), exact), apart(exact, own)
        for found, most in ((difference, EXACT), (rounding, _rounding(recipe))):
            if not found <= most:  # not a number is too much, too
                raise NotAsWritten(
                    f"{kind} of {store.location}: its logits differ from the run's by {found:.1e}, more than "
                    f"{most:.0e}; nothing was exported"
                )
        return Exported(target.location, kind, send(folder, target), difference, rounding)


def apart(logits: torch.Tensor, others: torch.Tensor) -> float:
    """The largest difference, by the largest logit or by 1."""
    return float((logits - others).abs().max() / others.abs().max().clamp(min=1))


def _written(weights: RunWeights, base: BaseName, folder: Path, *, merge: bool) -> tuple[Kind, TrainableModel]:
    """Write what is asked for; returns it as it is read back."""
    model = _merged(weights) if merge else weights.tuned(CPU)
    write_layout(model, weights.tokenizer, base, folder)
    if isinstance(model, PeftModel):
        del model
        base_model = weights.base(CPU)
        compute_in_fp32(base_model)  # PEFT reads a head into the type of the base's own, and would round it
        return "adapter", PeftModel.from_pretrained(base_model, folder)
    kind: Kind = "merged model" if merge else "model"
    model_class = type(model)
    del model
    return kind, read_layout(model_class, folder)


def _merged(weights: RunWeights) -> "PreTrainedModel":
    """Base and adapter as one model, in fp32: rounded to 16 bits, little of an adapter would be left."""
    tuned = weights.over(dequantised(weights.base(CPU)))
    assert isinstance(tuned, PeftModel)
    merged: PreTrainedModel = tuned.merge_and_unload()
    return merged


def _rounding(recipe: Recipe) -> float:
    """What de-quantising may change: 8-bit products round activations too."""
    int8 = isinstance(recipe.method, QLora) and recipe.method.quantization.type == "int8"
    return ROUGH if int8 else EXACT


def _base_name(recipe: Recipe, store: Store) -> BaseName:
    if isinstance(recipe.model, Scratch):
        return BaseName(f"{store.location}/{BASE}", None)
    name = recipe.model.name_or_path
    if "://" not in name and is_local(name):
        name = str(Path(name).expanduser().absolute())
    return BaseName(name, recipe.model.revision)
