"""Memory that does not depend on the rows: weights, gradients, optimiser, buffers.

Sixteen bytes a trained weight in mixed precision, and what each stage shares, are those of ZeRO
(https://arxiv.org/abs/1910.02054, section 3); what DeepSpeed 0.19.8 adds is read from `deepspeed/runtime/zero/`.
"""

from collections.abc import Iterator

from launcher.plan.moments import moment_bytes, temporary_bytes
from launcher.plan.parameters import Part
from launcher.plan.quantised import constant_bytes, packed_bytes
from launcher.plan.setting import TRAINING, Setting, Term
from launcher.recipe.method import QLora
from launcher.recipe.quantization import Quantization
from launcher.recipe.strategy import DeepSpeed

BUCKET = 500_000_000
"""Elements of DeepSpeed's reduce bucket, where so many are trained (`launcher/model/zero.py`)."""
LIVE = 1_000_000_000
"""Elements that ZeRO 3 keeps gathered at the most (`stage3_max_live_parameters`)."""
SUB_GROUP = 1_000_000_000
"""Elements that ZeRO 3 steps at a time."""


def weights(setting: Setting) -> Iterator[Term]:
    """The model as forward passes read it: 16 bits or fp32, few bits with their constants, adapters.

    ZeRO 3 shares every tensor, the last share filled up, and keeps small ones whole besides
    (`parameter_offload.py`, mark_persistent_parameters).
    """
    groups = {"weights": (0, 0), "quantised weights": (0, 0), "adapters": (0, 0)}
    for part in setting.parts:
        name = "adapters" if part.kind == "adapter" else "quantised weights" if part.quantised else "weights"
        shared, whole = _shared(part, setting)
        groups[name] = (groups[name][0] + shared, groups[name][1] + whole)
    for name, (shared, whole) in groups.items():
        if setting.offloads_parameters:
            yield Term(name, shared, host=True)
            yield Term(name, whole)
        else:
            yield Term(name, shared + whole)
    quantization = _quantization(setting)
    if quantization is not None:
        parts = [part for part in setting.parts if part.quantised]
        yield Term("quantisation constants", sum(p.copies * constant_bytes(p.shape, quantization) for p in parts))


def gathered(setting: Setting) -> Iterator[Term]:
    """What ZeRO 3 gathers of other ranks' shares: all of a small model, else as much as may live at a time.

    DeepSpeed releases a weight after its use only when the next one is more than `stage3_max_reuse_distance` elements
    away, and fetches ahead while fewer than `stage3_max_live_parameters` are live: both 1e9
    (`partitioned_param_coordinator.py`).
    """
    if setting.stage != 3:
        return
    elements = sum(p.copies * _stored(p, setting) for p in setting.parts if not _persistent(p, setting))
    size = gathered_once(setting)
    yield Term("gathered weights", size if elements <= LIVE else LIVE * size // elements, phases=(*TRAINING, "scoring"))


def gathered_once(setting: Setting) -> int:
    """Bytes of all that ZeRO 3 gathers in a forward pass."""
    shared = [part for part in setting.parts if not _persistent(part, setting)]
    return sum(part.copies * _stored(part, setting) * _width(part, setting) for part in shared)


def masters(setting: Setting) -> Iterator[Term]:
    """fp32 copies that the optimiser steps: of ZeRO 1 to 3, in fp32 too, and of stage 0 in fp16."""
    if setting.partitions:
        yield Term("fp32 weights", _share(4, setting), host=setting.offloads_optimizer)
    elif setting.cast:
        yield Term("fp32 weights", 4 * setting.trained())


def moments(setting: Setting) -> Iterator[Term]:
    """What the optimiser remembers, by its kind."""
    optim = setting.recipe.training.optim
    size = sum(moment_bytes(optim, part) for part in setting.parts if part.trained)
    shared = -(-size // setting.world) if setting.partitions else size
    yield Term("optimiser states", shared, host=setting.offloads_optimizer)


def gradients(setting: Setting) -> Iterator[Term]:
    """Gradients between the passes of a step.

    DDP keeps them in its buckets for good (`gradient_as_bucket_view`). Stage 1 has all of them until it reduces, stage
    2 its share, stage 3 its share for good. Offloaded, the share is on the host once more in fp32
    (`stage_1_and_2.py`, `stage3.py`: fp32_partitioned_groups_flat, grad_partitions_flat_buffer).
    """
    whole, stage = setting.gradient * setting.trained(), setting.stage
    if stage is None:
        yield Term("gradients", whole)
        return
    if stage == 0:
        yield Term("gradients", whole, phases=(*TRAINING, "step"))
        return
    share = _share(setting.gradient, setting)
    if stage == 3:
        yield Term("gradients", share, host=setting.offloads_optimizer)
    elif setting.offloads_optimizer:
        largest = max(part.elements for part in setting.parts if part.trained) * setting.gradient
        yield Term("gradients", whole if stage == 1 else largest, phases=TRAINING)
        yield Term("weights on their way back", share, host=True)
    else:
        yield Term("gradients", whole if stage == 1 else share, phases=TRAINING)
        yield Term("gradients of this rank's share", share, phases=("step",))
    if setting.offloads_optimizer:
        yield Term("fp32 gradients", _share(4, setting), host=True)


def step(setting: Setting) -> Iterator[Term]:
    """What the optimiser's step needs besides: the share's gradients flat and in fp32, and its own working space.

    DeepSpeed's `estimate_zero2_model_states_mem_needs` counts the same 4 bytes; stage 3 goes by sub-groups.
    """
    training = setting.recipe.training
    stepped = -(-setting.trained() // setting.world) if setting.partitions else setting.trained()
    if setting.stage == 3:
        stepped = min(stepped, SUB_GROUP)
    if setting.partitions and not setting.offloads_optimizer:
        yield Term("fp32 gradients", 4 * stepped, phases=("step",))
    elif setting.stage == 0:
        yield Term("reduction buffer", setting.gradient * min(BUCKET, setting.trained()), phases=("step",))
    largest = max(part.elements for part in setting.parts if part.trained)
    size = temporary_bytes(training.optim, stepped, largest)
    if size:
        yield Term("optimiser's working space", size, phases=("step",), host=setting.offloads_optimizer)


def buffers(setting: Setting) -> Iterator[Term]:
    """Communication buffers of DeepSpeed; DDP's are its gradients.

    Stages 1 and 2 make a bucket in every backward pass, two where reduction overlaps with it (`stage_1_and_2.py`,
    setup_buckets); stage 3 keeps one, and reduces into a second (`stage3.py`).
    """
    if not setting.partitions:
        return
    bucket = setting.gradient * min(BUCKET, setting.trained())
    if setting.stage == 3:
        yield Term("reduce bucket", bucket)
        yield Term("reduction buffer", bucket, phases=TRAINING)
    else:
        yield Term("reduce buckets", bucket * (2 if setting.device == "cuda" else 1), phases=TRAINING)


def working_weights(setting: Setting) -> Iterator[Term]:
    """Weights in another type for as long as they are multiplied.

    bitsandbytes makes one matrix at a time whole again. torch's autocast keeps its 16-bit copies of trained fp32
    weights until backward has used them: all, or with gradient checkpointing those outside of blocks and of one block.
    """
    quantised = [part.elements for part in setting.parts if part.quantised]
    if quantised:
        yield Term("largest matrix dequantised", max(quantised) * setting.compute, phases=(*TRAINING, "scoring"))
    if not setting.autocast:
        return
    layers = setting.layers
    multiplied = [part for part in setting.parts if part.trained and part.kind in ("linear", "head", "adapter")]
    blocks = [part for part in multiplied if part.copies == layers]
    outside = sum(part.size for part in multiplied if part not in blocks)
    if _multiplied_embedding(setting):
        outside += max(part.elements for part in setting.parts if part.kind == "embedding" and part.trained)
    one = sum(part.elements for part in blocks)
    if setting.recipe.training.gradient_checkpointing:
        yield Term("16-bit copies of trained weights", 2 * outside, phases=TRAINING)
        yield Term("16-bit copies of one block", 2 * one, phases=("blocks",))
    else:
        yield Term("16-bit copies of trained weights", 2 * (outside + one * layers), phases=TRAINING)


def _multiplied_embedding(setting: Setting) -> bool:
    tied = setting.config.get("tie_word_embeddings") and setting.recipe.task.kind != "classification"
    heads = [part for part in setting.parts if part.kind == "head"]
    return bool(tied) and not heads and any(p.kind == "embedding" and p.trained for p in setting.parts)


def _share(width: int, setting: Setting) -> int:
    """Bytes of this rank's share of what is trained."""
    if setting.stage == 3:
        return width * setting.trained(lambda part: part.copies * -(-part.elements // setting.world))
    return width * -(-setting.trained() // setting.world)


def _quantization(setting: Setting) -> Quantization | None:
    return setting.recipe.method.quantization if isinstance(setting.recipe.method, QLora) else None


def _width(part: Part, setting: Setting) -> int:
    """Bytes of an element as it is stored."""
    if part.quantised:
        return 1
    return setting.held if part.trained else setting.compute


def _stored(part: Part, setting: Setting) -> int:
    """Elements of one copy as they are stored: two 4-bit weights are one."""
    quantization = _quantization(setting)
    return packed_bytes(part.elements, quantization) if part.quantised and quantization else part.elements


def _persistent(part: Part, setting: Setting) -> bool:
    strategy = setting.recipe.strategy
    return isinstance(strategy, DeepSpeed) and _stored(part, setting) <= strategy.param_persistence_threshold


def _shared(part: Part, setting: Setting) -> tuple[int, int]:
    """Bytes of a part that this rank holds, and those it holds once more for small tensors to be whole."""
    elements, width = _stored(part, setting), _width(part, setting)
    if setting.stage != 3:
        return part.copies * elements * width, 0
    kept = part.copies * elements * width if _persistent(part, setting) else 0
    return part.copies * -(-elements // setting.world) * width, kept
