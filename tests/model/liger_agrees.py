"""Run by itself, in Triton's interpreter: what a model with Liger's kernels computes, beside what it computes alone."""

import copy
from typing import Any

import numpy as np
import torch
import triton.language as tl
from liger_kernel.ops import rms_norm
from torch.nn import functional
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from triton.runtime import interpreter

from launcher.model.liger import use_liger
from launcher.recipe.liger import LIGER_MODELS

WIDTHS = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 64}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}


def as_compiled() -> None:
    """The interpreter hands kernels whole numbers as a GPU's scalars, but not fractions; and has no libdevice."""
    rms_norm.rsqrt = lambda number: tl.rsqrt(number)  # noqa: PLW0108  # the interpreter puts its own in
    convert = interpreter._implicit_cvt

    def converted(argument: Any) -> Any:
        if isinstance(argument, float):
            return tl.tensor(interpreter.TensorHandle(np.array([argument], dtype=np.float32), tl.float32), tl.float32)
        return convert(argument)

    interpreter._implicit_cvt = converted


def made(model_type: str) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(model_type, **WIDTHS, **HEADS)
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():  # norms start as ones, which would hide their weights
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def computed(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Logits and gradients of a padded row of 12 tokens and of a pack of documents of 7 and 5."""
    ids = torch.arange(24).view(2, 12) % 64
    found = {}
    for name, positions in (("padded", None), ("packed", torch.tensor([[*range(7), *range(5)]] * 2))):
        model.zero_grad()
        logits = model(input_ids=ids, position_ids=positions, use_cache=False).logits
        functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).backward()
        found[f"{name} logits"] = logits.detach()
        found |= {f"{name} {at}": each.grad.clone() for at, each in model.named_parameters() if each.grad is not None}
    return found


def main() -> None:
    as_compiled()
    for model_type in sorted(LIGER_MODELS):
        model = made(model_type)
        alone = computed(copy.deepcopy(model))
        use_liger(model)
        with_kernels = computed(model)
        assert alone.keys() == with_kernels.keys()
        apart = max(float((with_kernels[at] - one).norm() / one.norm()) for at, one in alone.items())
        names = {module.forward.__module__ for module in model.modules()}
        print(model_type, apart, sum(name.startswith("liger_kernel.") for name in names))


if __name__ == "__main__":
    main()
