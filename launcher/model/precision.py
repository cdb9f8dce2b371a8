"""Types of forward and backward by their names in a recipe, and whether a device computes in them."""

import torch

from launcher.errors import InvalidInput

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Forward passes in a precision, over weights of whatever type."""
    compute = PRECISIONS[precision]
    return torch.autocast(device.type, compute, enabled=compute != torch.float32)


def check_precision(precision: str, device: torch.device) -> None:
    """Raises InvalidInput where a device does not compute in a precision, as asked of the device itself."""
    if precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise InvalidInput(f"training.precision: {name} does not compute in bf16; say fp16 or fp32")
    if precision == "fp16" and device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_fp16_supported():
        raise InvalidInput("training.precision: this CPU does not compute in fp16; say bf16 or fp32")
