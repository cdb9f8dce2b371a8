"""What a method asks of the other sections and of the device."""

from collections.abc import Iterator

from launcher.recipe.method import Full, Lora, Method, QLora
from launcher.recipe.problem import KeyPath
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import DeepSpeed
from launcher.recipe.task import SequenceClassification, Task

CAST = {"bf16": "bfloat16", "fp16": "float16"}
"""What DeepSpeed casts every floating-point weight to, by `training.precision`."""

Finding = tuple[KeyPath, str, str | None]
"""Place, message, hint."""


def method_refusal(method: Method, device: str) -> str | None:
    """Why a method cannot train on `cpu` or `cuda`, with its mend; None where it can."""
    if isinstance(method, QLora) and method.quantization.type == "int8" and method.use_dora and device == "cpu":
        return (
            "DoRA over int8 weights does not run on a CPU, as PEFT 0.21 loses the weights' scales there; "
            "use quantization.type nf4, or use_dora false"
        )
    return None


def peft_task_type(task: Task) -> str:
    """PEFT's name of a task."""
    return "SEQ_CLS" if isinstance(task, SequenceClassification) else "CAUSAL_LM"


def method_findings(recipe: Recipe) -> Iterator[Finding]:
    """Where the method and another section contradict each other."""
    method = recipe.method
    if isinstance(method, Full):
        return
    derived = peft_task_type(recipe.task)
    if method.task_type not in (None, derived):
        message = f"task.kind {recipe.task.kind} is {derived}, found {method.task_type!r}"
        yield ("method", "task_type"), message, "leave it out, or change task"
    if isinstance(recipe.strategy, DeepSpeed):
        yield from _under_deepspeed(method, recipe.strategy, recipe.training.precision)


def _under_deepspeed(method: Lora | QLora, strategy: DeepSpeed, precision: str) -> Iterator[Finding]:
    if strategy.partitions_parameters and method.bias != "none":
        message = "ZeRO 3 partitions biases, so the base's cannot be kept beside trained ones"
        yield ("method", "bias"), message, "use none, or strategy.zero_stage 2"
    if isinstance(method, Lora):
        return
    if strategy.partitions_parameters and method.use_dora:
        message = "DoRA reads whole weights, and PEFT 0.21 cannot gather quantised ones that ZeRO 3 partitioned"
        yield ("method", "use_dora"), message, "use false, or strategy.zero_stage 2"
    stored, cast = method.quantization.storage_dtype, CAST.get(precision)
    if cast is not None and stored not in (None, "uint8", cast):
        message = f"DeepSpeed casts floating-point weights to {cast}, which destroys 4 bits packed into {stored}"
        yield ("method", "quantization", "storage_dtype"), message, f"use uint8 or {cast}"
