"""How long a step takes on an accelerator, and what a run costs: estimates from published utilisation."""

from dataclasses import dataclass

from launcher.plan.accelerators import Accelerator
from launcher.plan.batch import BatchPlan
from launcher.plan.flops import flops_per_token
from launcher.plan.hardware import Hardware
from launcher.plan.parameters import count_parameters
from launcher.plan.setting import Setting
from launcher.plan.states import gathered_once

TYPICAL_MFU = {"full": 0.40, "lora": 0.40, "qlora": 0.30}
"""Share of the peak that training reaches. full: on H100 Llama-3.1-8B 0.33 to 0.39 (torchtitan, benchmarks/), MPT-7B
0.46 (llm-foundry, scripts/train/benchmarking). lora: Llama-3-8B on H100 0.41 (NeMo AutoModel, performance summary).
qlora: 0.62 to 0.98 of LoRA's speed in litgpt's and torchtune's tables; 0.75 is taken."""
LINK_EFFICIENCY = 0.7
"""Share of a link that collectives reach: an assumption."""
HOST_ADAM = 20e9
"""Bytes a second of host memory that one rank's optimiser reads and writes: an assumption."""


@dataclass(frozen=True, slots=True)
class Speed:
    step_s: float
    """Of full rows: shorter ones take less."""
    compute_s: float
    exchange_s: float
    """Collectives, which run beside the computation where the step is longer."""
    tokens_per_second: float
    """Over all ranks."""
    mfu: float
    """Expected of the computation alone."""
    flops_per_token: float
    """Forward and backward, without what gradient checkpointing repeats."""
    hours: float | None
    """Of all steps, where they are known."""
    cost: float | None
    """Of all accelerators, in the currency of their price."""


def expect(setting: Setting, batches: BatchPlan, hardware: Hardware) -> Speed | None:
    """What a step takes at the most, or None of hardware whose peak is not known."""
    accelerator = hardware.accelerator
    if accelerator is None:
        return None
    length, method = setting.recipe.training.max_length, setting.recipe.method
    count = count_parameters(setting.config, method, setting.recipe.task)
    assert count is not None, "a setting has a known architecture"
    needed = flops_per_token(setting.config, count, method, length)
    repeated = 2.0 * count.matrices if setting.recipe.training.gradient_checkpointing else 0.0
    mfu, tokens = TYPICAL_MFU[method.kind], batches.global_batch * length
    busiest = -(-batches.global_batch // hardware.world) * length  # some ranks have nothing to do where rows are few
    compute_s = busiest * (needed + repeated) / (accelerator.peak * mfu)
    exchange_s = _exchanged(setting, batches.accumulation) / _link(accelerator, hardware) / LINK_EFFICIENCY
    step_s = max(compute_s, exchange_s) + _offloaded_s(setting, accelerator)
    steps = _most_steps(setting, batches)
    hours = None if steps is None else steps * step_s / 3600
    cost = None if hours is None or hardware.price is None else hours * hardware.world * hardware.price
    return Speed(step_s, compute_s, exchange_s, tokens / step_s, mfu, needed, hours, cost)


def _most_steps(setting: Setting, batches: BatchPlan) -> int | None:
    """Where packs are not counted yet, a pack holds one document at the least, unless documents are split."""
    consumed = batches.documents_consumed
    if batches.steps is not None or consumed is None or setting.recipe.long_documents == "split":
        return batches.steps
    return -(-consumed // batches.global_batch)


def _exchanged(setting: Setting, micro_batches: int) -> float:
    """Bytes that a rank sends in a step (ZeRO, https://arxiv.org/abs/1910.02054, section 7).

    DDP and stage 0 sum gradients over a ring, which passes them twice. Stage 1 reduces and gathers once a step, stage 2
    reduces every micro-batch. Stage 3 gathers weights for forward and for backward, and to compute anew once more.
    """
    trained, others = setting.trained(), (setting.world - 1) / setting.world
    whole = setting.held * trained
    if not setting.partitions:
        return 2 * whole * others
    if setting.stage == 3:
        gathers = 3 if setting.recipe.training.gradient_checkpointing else 2
        return micro_batches * (gathers * gathered_once(setting) + whole) * others
    reductions = micro_batches if setting.stage == 2 else 1
    return (reductions + 1) * whole * others


def _link(accelerator: Accelerator, hardware: Hardware) -> float:
    """What a rank passes on in a second: rings between nodes run over the network cards of all their devices."""
    between_nodes = accelerator.network * hardware.node_ranks
    return accelerator.link if hardware.nodes == 1 else min(accelerator.link, between_nodes)


def _offloaded_s(setting: Setting, accelerator: Accelerator) -> float:
    """Gradients to the host, AdamW there (reads 16 and writes 12 bytes a weight), weights back."""
    if not setting.offloads_optimizer:
        return 0.0
    share = setting.trained() / setting.world
    return share * (2 * setting.held / accelerator.host + 28 / HOST_ADAM)
