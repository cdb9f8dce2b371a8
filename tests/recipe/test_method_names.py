"""Every parameter of a method under each of its names, in a file and as an override, does what it says."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from launcher.recipe.aliases import ALIASES, VALUES
from launcher.recipe.load import load_recipe
from launcher.recipe.method import Method
from tests.recipe.test_names import settings

Fields = dict[str, Any]
INT8 = {"type": "int8"}
LORA_CASES: list[tuple[str, Fields]] = [
    ("lora_r: 4", {"r": 4}),
    ("lora_rank: 4", {"r": 4}),
    ("rank: 4", {"r": 4}),
    ("alpha: 9", {"lora_alpha": 9}),
    ("dropout: 0.1", {"lora_dropout": 0.1}),
    ("lora_target_modules: [q_proj, v_proj]", {"target_modules": ["q_proj", "v_proj"]}),
    ("lora_target_modules: all-linear", {"target_modules": "all-linear"}),
    ("adapter_name_or_path: runs/moods-1", {"warm_start": "runs/moods-1"}),
]
QUANTIZATION_CASES: list[tuple[str, Fields]] = [
    ("bnb_4bit_quant_type: fp4", {"type": "fp4"}),
    ("bnb_4bit_use_double_quant: false", {"double_quantization": False}),
    ("double_quant: false", {"double_quantization": False}),
    ("use_double_quant: true", {"double_quantization": True}),
    ("use_nested_quant: false", {"double_quantization": False}),
    ("bnb_4bit_compute_dtype: float32", {"compute_dtype": "float32"}),
    ("bnb_4bit_quant_storage: uint8", {"storage_dtype": "uint8"}),
    ("bnb_4bit_quant_storage: torch.uint8", {"storage_dtype": "uint8"}),
    *(
        (f"{name}: {written}", {field: meant})
        for name, field in (
            ("compute_dtype", "compute_dtype"),
            ("bnb_4bit_compute_dtype", "compute_dtype"),
            ("storage_dtype", "storage_dtype"),
            ("bnb_4bit_quant_storage", "storage_dtype"),
        )
        for written, meant in (
            ("bf16", "bfloat16"),
            ("fp16", "float16"),
            ("fp32", "float32"),
            ("half", "float16"),
            ("float", "float32"),
            ("torch.bfloat16", "bfloat16"),
            ("torch.float16", "float16"),
            ("torch.float32", "float32"),
        )
    ),
    ("storage_dtype: torch.uint8", {"storage_dtype": "uint8"}),
    ("load_in_8bit: true, llm_int8_threshold: 4.0", INT8 | {"outlier_threshold": 4.0}),
    ("load_in_8bit: true", INT8),
    ("load_in_8bit: true, load_in_4bit: false", INT8),
    ("load_in_4bit: false", INT8),
    ("load_in_4bit: true", {"type": "nf4"}),
    ("load_in_4bit: true, load_in_8bit: false", {"type": "nf4"}),
    ("load_in_8bit: false", {"type": "nf4"}),
    ("load_in_4bit: true, bnb_4bit_quant_type: fp4", {"type": "fp4"}),
    ("bnb_4bit_quant_type: fp4, load_in_4bit: true, load_in_8bit: false", {"type": "fp4"}),
    ("load_in_4bit: true, bnb_4bit_quant_type: nf4", {"type": "nf4"}),
    (
        "load_in_4bit: true, bnb_4bit_quant_type: nf4, bnb_4bit_compute_dtype: torch.bfloat16, "
        "bnb_4bit_use_double_quant: true, bnb_4bit_quant_storage: bf16",
        {"type": "nf4", "compute_dtype": "bfloat16", "double_quantization": True, "storage_dtype": "bfloat16"},
    ),
]
FLAT = [
    case
    for case in QUANTIZATION_CASES
    if not case[0].startswith(("compute_dtype", "storage_dtype"))  # these are fields of `quantization` alone
]
METHOD_CASES: list[tuple[str, str, str, Fields]] = [
    *((kind, "method", *case) for kind in ("lora", "qlora") for case in LORA_CASES),
    *(("qlora", "method", written, {"quantization": fields}) for written, fields in FLAT),
    *(("qlora", "method.quantization", written, {"quantization": fields}) for written, fields in QUANTIZATION_CASES),
]
"""Kind, the section that something is written in, what that is, and the method's fields that it gives a value."""


def method_text(kind: str, within: str, written: str) -> str:
    inner = f"quantization: {{{written}}}" if within == "method.quantization" else written
    return f"method: {{kind: {kind}, {inner}}}\n"


def resolved_method(kind: str, fields: Fields) -> Fields:
    """The whole section with these fields, and all others by default."""
    return TypeAdapter(Method).validate_python({"kind": kind, **fields}).model_dump()


@pytest.mark.parametrize(("kind", "within", "written", "fields"), METHOD_CASES)
@pytest.mark.parametrize("place", ["file", "override", "mapping"])
def test_a_methods_name_does_what_it_says(place, kind, within, written, fields, recipe_text, write):
    overrides = {
        "file": [],
        "override": [f"{within}.{key}={value}" for key, value in settings(written)],
        "mapping": [f"{within}={{{written}}}"],
    }[place]
    text = method_text(kind, within, written) if place == "file" else f"method: {{kind: {kind}}}\n"
    write("moods.yaml", recipe_text.replace("method:\n  kind: lora\n  r: 8\n", text))
    assert load_recipe("moods.yaml", overrides).method.model_dump() == resolved_method(kind, fields)


def test_the_methods_cases_have_every_alias_and_value():
    said = {
        ((*within.split("."), key), value) for _, within, written, _ in METHOD_CASES for key, value in settings(written)
    }
    assert {path for path in ALIASES if path[0] == "method"} <= {path for path, _ in said}
    assert {(path, value) for path, table in VALUES.items() for value in table if path[0] == "method"} <= said
