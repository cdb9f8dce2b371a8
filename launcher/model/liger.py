"""Liger's Triton kernels in place of a model's own rotary positions, norms and gated MLPs.

Each reads and writes a GPU's memory once where PyTorch does so for every operation, and keeps less for backward. The
loss stays the launcher's own, which no more than Liger's holds all logits, and weighs tokens by the whole global batch.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from launcher.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KERNELS = {"rope": True, "rms_norm": True, "swiglu": True, "cross_entropy": False, "fused_linear_cross_entropy": False}


def use_liger(model: "PreTrainedModel") -> None:
    """Put them in; rotary positions change for every model of this family in the process."""
    from transformers.integrations.liger import apply_liger_kernel

    apply_liger_kernel(model, KERNELS)  # type: ignore[no-untyped-call]


def check_liger(asked: bool) -> None:
    """See, before a run begins, that the kernels that it asks for are installed.

    Raises:
        InvalidInput: they are not.
    """
    if asked and find_spec("liger_kernel") is None:
        mend = "pip install 'llama-launcher[gpu]'"
        raise InvalidInput(f"training.use_liger_kernel: liger-kernel is not installed; {mend}")
