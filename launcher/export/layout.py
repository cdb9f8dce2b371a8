"""A model or an adapter in Hugging Face layout, and what is read back of it by transformers and peft alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import xxhash
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open

from launcher.errors import LauncherError
from launcher.model.adapt import TrainableModel
from launcher.model.release import BaseName, release

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHARD = "5GB"
"""The largest file of weights."""


class NotAsWritten(LauncherError):
    """What was written does not come back, or computes something else."""


def write_layout(
    model: TrainableModel, tokenizer: "PreTrainedTokenizerBase", base: BaseName, folder: Path, shard: str = SHARD
) -> None:
    """Write weights, config and tokenizer, and see that every tensor on the disk is the model's.

    Raises:
        NotAsWritten: it is not; names the tensor.
    """
    how = release(model, base)
    if isinstance(model, PeftModel):
        model.save_pretrained(str(folder), **how)
        expected = _digests(get_peft_model_state_dict(model, **how))
    else:
        model.save_pretrained(folder, max_shard_size=shard, **how)
        expected = _digests(model.state_dict())
    tokenizer.save_pretrained(folder)
    _compare(expected, folder)


def read_layout(model_class: "type[PreTrainedModel]", folder: Path) -> "PreTrainedModel":
    """A whole model as anyone would load it."""
    loaded: PreTrainedModel = model_class.from_pretrained(folder, dtype=torch.float32)
    return loaded


def _compare(expected: Mapping[str, str], folder: Path) -> None:
    """Tied weights are written once: a name that is not there stands for another with the same bytes."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= _digests({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    for name, digest in found.items():
        if expected.get(name) != digest:
            raise NotAsWritten(f"{name} in {folder} is not the model's; see to the disk, and export again")
    for name in expected.keys() - found.keys():
        if expected[name] not in found.values():
            raise NotAsWritten(f"{name} is not in {folder}; this is a fault of the launcher")


def _digests(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Type, shape and xxh3-128 of each tensor's bytes."""
    return {name: f"{each.dtype} {tuple(each.shape)} {_checksum(each)}" for name, each in tensors.items()}


def _checksum(tensor: torch.Tensor) -> str:
    data = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8)
    return xxhash.xxh3_128_hexdigest(data.numpy().data)
