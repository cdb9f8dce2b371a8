"""Another run's adapter as the start of a new one: read without unpickling, held against the recipe, loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load

from launcher.checkpoint.entries import live_commits
from launcher.checkpoint.journal import Journal
from launcher.errors import InvalidInput
from launcher.recipe.method import REWRITE_BASE, Adapter
from launcher.storage.layout import MODEL, RECIPE
from launcher.storage.store import Store

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
KEY = "method.warm_start"
SAME = ("r", "lora_alpha", "use_rslora", "use_dora", "bias")
"""Fields of PEFT's configuration that change what the weights of an adapter mean."""


@dataclass(frozen=True, slots=True)
class SavedAdapter:
    """An adapter in PEFT's layout: where it is, its configuration, and its weights as a safetensors file holds them."""

    place: str
    config: dict[str, Any]
    content: bytes


def absolute(place: str) -> str:
    """A place as processes of other working directories name it."""
    return place if "://" in place else str(Path(place).expanduser().absolute())


def read_adapter(place: str) -> SavedAdapter:
    """The adapter that a run ended with, or one in a folder of its own.

    Args:
        place: a local path or any fsspec URL.

    Raises:
        InvalidInput: no adapter with safetensors weights is there, or it cannot be read.
    """
    try:
        store = Store.open(absolute(place))
        folder = _folder(store)
        for name in (CONFIG, WEIGHTS):
            if not store.exists(folder + name):
                raise FileNotFoundError(f"it holds no {folder}{name}")
        config = json.loads(store.read(folder + CONFIG))
        return SavedAdapter(place, config, store.read(folder + WEIGHTS))
    except Exception as error:  # every store's client has errors of its own
        reason = shorten(str(error) or repr(error), 300)
        mend = "give the run directory of a finished LoRA or QLoRA run"
        raise InvalidInput(f"{KEY}: {place} cannot be read: {reason}; {mend}") from error


def _folder(store: Store) -> str:
    """What stands before the names of an adapter's files: nothing, or in a run directory the model's folder."""
    if not store.exists(RECIPE):
        return ""
    if all(commit.checkpoint != MODEL for commit in live_commits(Journal(store).entries())):
        raise FileNotFoundError("the run has committed no model")
    return f"{MODEL}/"


def check_same_kind(saved: SavedAdapter, method: Adapter) -> None:
    """An adapter goes on only as what it was trained as.

    Raises:
        InvalidInput: its configuration differs where that changes what its weights mean.
    """
    if saved.config.get("peft_type") != "LORA":
        raise InvalidInput(f"{KEY}: {saved.place} holds {saved.config.get('peft_type')}, not LORA")
    if str(saved.config.get("init_lora_weights")).startswith(REWRITE_BASE):
        init = saved.config["init_lora_weights"]
        raise InvalidInput(f"{KEY}: {saved.place} was started by {init}, which rewrote its base; convert it with PEFT")
    for name in SAME:
        there, here = saved.config.get(name, False), getattr(method, name)
        if there != here:
            raise InvalidInput(f"{KEY}: {saved.place} has {name} {_shown(there)}, the recipe {_shown(here)}; {_MEND}")
    for name in ("rank_pattern", "alpha_pattern"):
        if saved.config.get(name):
            raise InvalidInput(f"{KEY}: {saved.place} has {name}, which a recipe cannot say")


def load_adapter(model: PeftModel, saved: SavedAdapter) -> None:
    """Put an adapter's weights in place of the model's own; names of base models are not compared, shapes are.

    Raises:
        InvalidInput: it was trained on other modules or another shape of base, or is damaged.
    """
    try:
        found = {name: tensor for name, tensor in load(saved.content).items() if not _is_copy(name)}
    except SafetensorError as error:
        raise InvalidInput(f"{KEY}: {WEIGHTS} of {saved.place} is damaged: {shorten(str(error), 200)}") from error
    own = get_peft_model_state_dict(model, save_embedding_layers=False)
    expected = {name: tensor for name, tensor in own.items() if not _is_copy(name)}
    if missing := sorted(expected.keys() - found.keys()):
        raise InvalidInput(f"{KEY}: {saved.place} has no weights for {_modules(missing)}; {_MEND}")
    if unknown := sorted(found.keys() - expected.keys()):
        raise InvalidInput(
            f"{KEY}: the recipe has no place for what {saved.place} has for {_modules(unknown)}; {_MEND}"
        )
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            sizes = f"{_size(found[name])} there but {_size(tensor)} here"
            raise InvalidInput(f"{KEY}: {_module(name)} of {saved.place} is {sizes}; give one of the same base model")
    set_peft_model_state_dict(model, found)


_MEND = "change the recipe's method, or start anew"


def _is_copy(name: str) -> bool:
    """Whether PEFT stored it beside what was trained: the base's own weights, or an alias."""
    return ".original_module." in name or ".modules_to_save." in name or name.endswith(".base_layer.weight")


def _modules(names: list[str]) -> str:
    modules = list(dict.fromkeys(_module(name) for name in names))
    return modules[0] + (f" and {len(modules) - 1} more" if len(modules) > 1 else "")


def _module(name: str) -> str:
    """`model.layers.0.self_attn.q_proj` of `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`."""
    path = name.removeprefix("base_model.model.")
    return path.partition(".lora_")[0] if ".lora_" in path else path.removesuffix(".bias").removesuffix(".weight")


def _size(tensor: torch.Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
