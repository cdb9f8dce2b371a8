"""What adapters and quantisation cannot be is told in one line with its place."""

from collections.abc import Callable
from typing import Any

import pytest

from launcher.recipe.method_checks import method_findings, method_refusal
from launcher.recipe.problem import dotted
from launcher.recipe.recipe import Recipe

BASE = "rewrites the base's weights, so nothing would be left to compare the tuned model with; use true or gaussian"
HEARSAY = "PEFT never had that one: write none, or all or lora_only where biases are to be trained"
FOUR_BITS = "int8 weights have no such choice; leave it out, or give null"
LORA = {
    "  bias: additive": f"bias: expected none, all or lora_only, found 'additive'; {HEARSAY}",
    "  bias: learned": f"bias: expected none, all or lora_only, found 'learned'; {HEARSAY}",
    "  bias: lora": "bias: expected 'none', 'all' or 'lora_only', found 'lora'; did you mean lora_only?",
    "  init_lora_weights: pissa": f"init_lora_weights: pissa {BASE}",
    "  init_lora_weights: pissa_niter_16": f"init_lora_weights: pissa_niter_16 {BASE}",
    "  init_lora_weights: olora": f"init_lora_weights: olora {BASE}",
    "  init_lora_weights: loftq": f"init_lora_weights: loftq {BASE}",
    "  init_lora_weights: eva": "init_lora_weights: eva needs a pass over the data before training, which is not "
    "built; use true or gaussian",
    "  init_lora_weights: gausian": "init_lora_weights: expected true or false or 'gaussian' or 'orthogonal', found "
    "'gausian'; did you mean gaussian?",
    "  r: 7\n  init_lora_weights: orthogonal": "init_lora_weights: orthogonal halves the rank, and r 7 is odd; use an "
    "even one",
    "  layers_to_transform: [0]": "layers_to_transform: PEFT takes it with a list of target_modules only; name them, "
    "such as [q_proj, v_proj]",
    "  init_lora_weights: gaussian\n  warm_start: runs/a": "warm_start: warm_start and init_lora_weights contradict "
    "each other: give one of them; init_lora_weights is given at moods.yaml:7:3",
    "  task_type: SEQ_2_SEQ_LM": "task_type: expected 'CAUSAL_LM' or 'SEQ_CLS', found 'SEQ_2_SEQ_LM'",
    "  use_dora: yes": "use_dora: expected true or false, found 'yes'",
}
QLORA = {
    "  bias: all": "bias: bitsandbytes casts the biases of quantised layers to the type it computes in, so they cannot "
    "be trained in fp32; use none, or method.kind lora",
    "  init_lora_weights: orthogonal": "init_lora_weights: orthogonal draws adapters in the base's type, which is no "
    "number here; use true or gaussian",
    "  quantization: {type: nf5}": "quantization.type: expected 'nf4', 'fp4' or 'int8', found 'nf5'; did you mean nf4?",
    "  quantization: {type: int8, double_quantization: true}": f"quantization.double_quantization: {FOUR_BITS}",
    "  quantization: {type: int8, compute_dtype: bfloat16}": f"quantization.compute_dtype: {FOUR_BITS}",
    "  quantization: {type: int8, storage_dtype: uint8}": f"quantization.storage_dtype: {FOUR_BITS}",
    "  quantization: {type: nf4, outlier_threshold: 6.0}": "quantization.outlier_threshold: only type int8 looks for "
    "outliers; leave it out, or give null",
    "  quantization: {compute_dtype: bfloat}": "quantization.compute_dtype: expected 'float32', 'bfloat16' or "
    "'float16', found 'bfloat'; did you mean bfloat16?",
    "  quantization: {storage_dtype: int8}": "quantization.storage_dtype: expected 'uint8', 'bfloat16', 'float16' or "
    "'float32', found 'int8'; did you mean uint8?",
}


@pytest.mark.parametrize(
    ("kind", "lines", "expected"),
    [*(("lora", *case) for case in LORA.items()), *(("qlora", *case) for case in QLORA.items())],
)
def test_a_choice_that_cannot_be_had_is_told(
    write: Callable[[str, str], Any],
    told: Callable[..., list[str]],
    recipe_text: str,
    kind: str,
    lines: str,
    expected: str,
) -> None:
    written = recipe_text.replace("  kind: lora\n  r: 8\n", f"  kind: {kind}\n{lines}\n")
    assert written != recipe_text
    write("moods.yaml", written)
    (line,) = told("moods.yaml")
    assert line.partition(": method.")[2] == expected


def test_what_is_resolved_reads_back_as_it_was(recipe_of: Callable[..., Recipe]) -> None:
    for quantization in ({}, {"type": "int8"}, {"type": "fp4", "storage_dtype": "bfloat16"}):
        recipe = recipe_of(method={"kind": "qlora", "quantization": quantization})
        assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def findings(recipe: Recipe) -> list[tuple[str, str, str | None]]:
    return [(dotted(path), message, hint) for path, message, hint in method_findings(recipe)]


CLASSES = {"kind": "classification", "labels": ["sad", "happy"]}


@pytest.mark.parametrize(
    ("task", "right", "wrong"), [(None, "CAUSAL_LM", "SEQ_CLS"), (CLASSES, "SEQ_CLS", "CAUSAL_LM")]
)
def test_pefts_name_of_the_task_agrees_with_the_task(
    recipe_of: Callable[..., Recipe], task: dict[str, Any] | None, right: str, wrong: str
) -> None:
    sections = {"task": task} if task else {}
    for agreed in (None, right):
        assert findings(recipe_of(method={"kind": "lora", "task_type": agreed}, **sections)) == []
    kind = "classification" if task else "instruction"
    assert findings(recipe_of(method={"kind": "lora", "task_type": wrong}, **sections)) == [
        ("method.task_type", f"task.kind {kind} is {right}, found '{wrong}'", "leave it out, or change task")
    ]


@pytest.mark.parametrize(
    ("strategy", "precision", "stored", "refused"),
    [
        ("deepspeed", "bf16", "float32", True),
        ("deepspeed", "bf16", "float16", True),
        ("deepspeed", "bf16", "bfloat16", False),
        ("deepspeed", "bf16", "uint8", False),
        ("deepspeed", "bf16", None, False),
        ("deepspeed", "fp32", "bfloat16", False),
        ("ddp", "bf16", "float32", False),
    ],
)
def test_bits_are_not_stored_as_what_deepspeed_casts(
    recipe_of: Callable[..., Recipe], strategy: str, precision: str, stored: str | None, refused: bool
) -> None:
    recipe = recipe_of(
        method={"kind": "qlora", "quantization": {"storage_dtype": stored}},
        strategy={"kind": strategy},
        training={"precision": precision},
    )
    message = f"DeepSpeed casts floating-point weights to bfloat16, which destroys 4 bits packed into {stored}"
    expected = [("method.quantization.storage_dtype", message, "use uint8 or bfloat16")]
    assert findings(recipe) == (expected if refused else [])


@pytest.mark.parametrize(("stage", "refused"), [(2, False), (3, True)])
def test_biases_are_not_trained_where_they_are_partitioned(
    recipe_of: Callable[..., Recipe], stage: int, refused: bool
) -> None:
    strategy = {"kind": "deepspeed", "zero_stage": stage}
    message = "ZeRO 3 partitions biases, so the base's cannot be kept beside trained ones"
    expected = [("method.bias", message, "use none, or strategy.zero_stage 2")]
    assert findings(recipe_of(method={"kind": "lora", "bias": "all"}, strategy=strategy)) == expected * refused
    assert findings(recipe_of(method={"kind": "lora"}, strategy=strategy)) == []


@pytest.mark.parametrize(("kind", "stage", "refused"), [("qlora", 3, True), ("qlora", 2, False), ("lora", 3, False)])
def test_dora_reads_no_quantised_weights_that_are_partitioned(
    recipe_of: Callable[..., Recipe], kind: str, stage: int, refused: bool
) -> None:
    recipe = recipe_of(method={"kind": kind, "use_dora": True}, strategy={"kind": "deepspeed", "zero_stage": stage})
    assert [path for path, *_ in findings(recipe)] == ["method.use_dora"] * refused


def test_dora_over_int8_is_refused_on_a_cpu_and_all_else_is_not(recipe_of: Callable[..., Recipe]) -> None:
    def refusal(device: str, **method: Any) -> str | None:
        return method_refusal(recipe_of(method=method).method, device)

    int8 = {"type": "int8"}
    told = refusal("cpu", kind="qlora", use_dora=True, quantization=int8)
    assert told == (
        "DoRA over int8 weights does not run on a CPU, as PEFT 0.21 loses the weights' scales there; "
        "use quantization.type nf4, or use_dora false"
    )
    assert refusal("cuda", kind="qlora", use_dora=True, quantization=int8) is None
    assert refusal("cpu", kind="qlora", quantization=int8) is None
    assert refusal("cpu", kind="qlora", use_dora=True, quantization={"type": "fp4"}) is None
    assert refusal("cpu", kind="lora", use_dora=True) is None
    assert refusal("cpu", kind="full") is None
