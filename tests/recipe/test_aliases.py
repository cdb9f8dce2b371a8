"""A file or an override under another name merges as if it were written under the field's own."""

import pytest

from launcher.recipe.load import load_recipe, resolved_yaml


@pytest.fixture
def base(recipe_text, write):
    write("base.yaml", recipe_text.replace("test_per_class: 5", "test_per_class: 5, validation_per_class: 5"))


OVER = [
    ("precision: bf16", "fp16: true", "precision", "fp16"),
    ("precision: bf16", "fp16: false", "precision", "bf16"),
    ("precision: fp16", "fp16: false", "precision", "fp32"),
    ("fp16: true", "fp16: false", "precision", "fp32"),
    ("fp16: true", "bf16: true, fp16: false", "precision", "bf16"),
    ("fp16: true", "precision: bf16", "precision", "bf16"),
    ("optim: sgd", "adafactor: false", "optim", "sgd"),
    ("adafactor: true", "adafactor: false", "optim", "adamw_torch_fused"),
    ("train_sampling_strategy: group_by_length", "group_by_length: false", "train_sampling_strategy", "random"),
    ("eval_strategy: epoch", "evaluation_strategy: steps", "eval_strategy", "steps"),
    ("evaluation_strategy: epoch", "eval_strategy: steps", "eval_strategy", "steps"),
    ("max_length: 64", "max_seq_length: 32", "max_length", 32),
    ("max_steps: 5", "max_steps: -1", "max_steps", None),
]


@pytest.mark.parametrize(("parent", "child", "field", "value"), OVER)
def test_a_file_replaces_what_its_parent_says_under_any_name(parent, child, field, value, base, write):
    write("parent.yaml", f"extends: base.yaml\ntraining: {{{parent}}}\n")
    write("child.yaml", f"extends: parent.yaml\ntraining: {{{child}}}\n")
    assert getattr(load_recipe("child.yaml").training, field) == value


@pytest.mark.parametrize(("parent", "child", "field", "value"), OVER)
def test_an_override_replaces_what_the_file_says_under_any_name(parent, child, field, value, base, write):
    write("parent.yaml", f"extends: base.yaml\ntraining: {{{parent}}}\n")
    overrides = [f"training.{one.replace(': ', '=')}" for one in child.split(", ")]
    assert getattr(load_recipe("parent.yaml", overrides).training, field) == value
    assert getattr(load_recipe("parent.yaml", [f"training={{{child}}}"]).training, field) == value


OVER_TYPE = [
    ("load_in_4bit: true", "load_in_8bit: true", "int8"),
    ("load_in_8bit: true", "load_in_4bit: true", "nf4"),
    ("load_in_8bit: true", "load_in_8bit: false", "nf4"),
    ("load_in_8bit: true", "load_in_4bit: false", "int8"),
    ("load_in_8bit: true", "bnb_4bit_quant_type: fp4", "fp4"),
    ("quantization: {type: int8}", "bnb_4bit_quant_type: fp4", "fp4"),
    ("bnb_4bit_quant_type: fp4", "load_in_4bit: true", "fp4"),
    ("bnb_4bit_quant_type: fp4", "load_in_8bit: false", "fp4"),
    ("bnb_4bit_quant_type: fp4", "load_in_8bit: true", "int8"),
    ("bnb_4bit_quant_type: fp4", "quantization: {type: nf4}", "nf4"),
    ("quantization: {bnb_4bit_quant_type: fp4}", "quantization: {bnb_4bit_compute_dtype: bf16}", "fp4"),
    ("r: 4", "bnb_4bit_quant_type: fp4", "fp4"),
]


@pytest.mark.parametrize(("parent", "child", "expected"), OVER_TYPE)
def test_names_of_bitsandbytes_replace_what_the_parent_says(parent, child, expected, recipe_text, write):
    write("parent.yaml", recipe_text.replace("kind: lora\n  r: 8", f"kind: qlora\n  {parent}"))
    write("child.yaml", f"extends: parent.yaml\nmethod: {{{child}}}\n")
    assert load_recipe("child.yaml").method.quantization.type == expected
    key, _, value = child.partition(": ")
    assert load_recipe("parent.yaml", [f"method.{key}={value}"]).method.quantization.type == expected


def test_a_flag_that_agrees_with_an_override_before_it_changes_nothing(recipe_text, write):
    write("moods.yaml", recipe_text.replace("kind: lora", "kind: qlora"))
    overrides = ["method.bnb_4bit_quant_type=fp4", "method.load_in_4bit=true"]
    for order in (overrides, overrides[::-1]):
        assert load_recipe("moods.yaml", order).method.quantization.type == "fp4"


@pytest.mark.parametrize(
    "lines",
    [
        "load_in_4bit: true\n  quantization: {bnb_4bit_quant_type: fp4}",
        "bnb_4bit_quant_type: fp4\n  quantization: {load_in_4bit: true}",
        "load_in_4bit: true\n  quantization: {type: fp4}",
    ],
)
def test_a_flag_agrees_with_a_type_in_either_section(lines, recipe_text, write):
    write("moods.yaml", recipe_text.replace("kind: lora\n  r: 8", f"kind: qlora\n  {lines}"))
    assert load_recipe("moods.yaml").method.quantization.type == "fp4"


def test_a_base_without_a_kind_may_use_names_of_bitsandbytes(recipe_text, write):
    write("base.yaml", "method: {load_in_8bit: true}\n")
    write("child.yaml", "extends: base.yaml\n" + recipe_text.replace("kind: lora", "kind: qlora"))
    assert load_recipe("child.yaml").method.quantization.type == "int8"


def test_a_section_that_only_an_alias_speaks_of_is_made(base, write):
    write("child.yaml", "extends: base.yaml\ntraining: {report_to: [tensorboard], per_device_eval_batch_size: 4}\n")
    recipe = load_recipe("child.yaml")
    assert (recipe.tracking.report_to, recipe.evaluation.batch_size) == (["tensorboard"], 4)
    assert load_recipe("child.yaml", ["training.report_to=none"]).tracking.report_to == []


def test_the_resolved_recipe_has_the_fields_own_names_and_loads_back(base, write):
    write("child.yaml", "extends: base.yaml\ntraining: {evaluation_strategy: steps, eval_steps: 0.2, fp16: true}\n")
    recipe = load_recipe("child.yaml")
    text = resolved_yaml(recipe)
    assert "evaluation_strategy" not in text
    write("resolved.yaml", text)
    again = load_recipe("resolved.yaml")
    assert (again, again.digest) == (recipe, recipe.digest)


TOLD = [
    (
        "  group_by_length: true\n  train_sampling_strategy: random\n",
        "moods.yaml:24:3: training.group_by_length: this is another name of training.train_sampling_strategy: keep "
        "one; training.train_sampling_strategy is given at moods.yaml:25:3",
    ),
    (
        "  fp16: true\n  bf16: true\n",
        "moods.yaml:24:3: training.fp16: this is another name of training.precision: keep one; "
        "training.precision is given at moods.yaml:25:3",
    ),
    (
        "  precision: fp16\n  fp16: false\n",
        "moods.yaml:25:3: training.fp16: this is another name of training.precision: keep one; "
        "training.precision is given at moods.yaml:24:3",
    ),
    ("  fp16: O1\n", "moods.yaml:24:3: training.fp16: expected true or false, found 'O1'"),
    (
        "  evaluation_strategy: epochs\n",
        "moods.yaml:24:3: training.eval_strategy: expected 'no', 'steps' or 'epoch', found 'epochs'; did you mean "
        "epoch?",
    ),
    (
        "  report_to: [wandb, mlflow]\n",
        "moods.yaml:24:22: tracking.report_to.1: expected 'wandb' or 'tensorboard', found 'mlflow'",
    ),
    (
        "  report_to: mlflow\n",
        "moods.yaml:24:3: tracking.report_to.0: expected 'wandb' or 'tensorboard', found 'mlflow'",
    ),
    (
        "  optim: adamw_apex_fused\n",
        "moods.yaml:24:3: training.optim: expected 'adamw_torch_fused', 'adamw_torch', 'adamw_bnb_8bit', "
        "'paged_adamw_8bit', 'paged_adamw_32bit', 'adafactor' or 'sgd', found 'adamw_apex_fused'; did you mean "
        "adamw_torch_fused?",
    ),
]


@pytest.mark.parametrize(("lines", "line"), TOLD)
def test_what_is_wrong_under_another_name_is_told_where_it_is_written(lines, line, recipe_text, write, told):
    write("moods.yaml", recipe_text + lines)
    assert told("moods.yaml") == [line]


TYPE = "this is another name of method.quantization.type: keep one; method.quantization.type is given at"
QLORA_TOLD = [
    (
        "  bnb_4bit_quant_type: nf4\n  load_in_8bit: true\n",
        f"moods.yaml:8:3: method.load_in_8bit: {TYPE} moods.yaml:7:3",
    ),
    (
        "  load_in_8bit: true\n  quantization: {type: fp4}\n",
        f"moods.yaml:7:3: method.load_in_8bit: {TYPE} moods.yaml:8:18",
    ),
    (
        "  load_in_4bit: true\n  quantization:\n    type: int8\n",
        f"moods.yaml:7:3: method.load_in_4bit: {TYPE} moods.yaml:9:5",
    ),
    ("  load_in_4bit: true\n  load_in_8bit: true\n", f"moods.yaml:8:3: method.load_in_8bit: {TYPE} moods.yaml:7:3"),
    ("  load_in_4bit: false\n  load_in_8bit: false\n", f"moods.yaml:8:3: method.load_in_8bit: {TYPE} moods.yaml:7:3"),
    (
        "  bnb_4bit_quant_type: nf4\n  quantization: {bnb_4bit_quant_type: nf4}\n",
        f"moods.yaml:8:18: method.quantization.bnb_4bit_quant_type: {TYPE} moods.yaml:7:3",
    ),
    (
        "  quantization:\n    load_in_4bit: 4\n",
        "moods.yaml:8:5: method.quantization.load_in_4bit: expected true or false, found 4",
    ),
    (
        "  bnb_4bit_compute_dtype: fp8\n",
        "moods.yaml:7:3: method.quantization.compute_dtype: expected 'float32', 'bfloat16' or 'float16', found 'fp8'",
    ),
    (
        "  load_in_8bit: true\n  use_nested_quant: true\n",
        "moods.yaml:8:3: method.quantization.double_quantization: int8 weights have no such choice; leave it out, or "
        "give null",
    ),
    (
        "  rank: 8\n  r: 8\n",
        "moods.yaml:7:3: method.rank: this is another name of method.r: keep one; method.r is given at moods.yaml:8:3",
    ),
    (
        "  load_in_4bit: true\n  quantization: 4\n",
        "moods.yaml:8:3: method.quantization: expected keys and values, found 4",
    ),
]


@pytest.mark.parametrize(("lines", "line"), QLORA_TOLD)
def test_what_is_wrong_in_a_method_under_another_name_is_told_where_it_is_written(
    lines, line, recipe_text, write, told
):
    write("moods.yaml", recipe_text.replace("  kind: lora\n  r: 8\n", f"  kind: qlora\n{lines}"))
    assert told("moods.yaml") == [line]


NO_QUANTIZATION = "unknown key; quantisation is method.kind: qlora"


@pytest.mark.parametrize("kind", ["full", "lora"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("bnb_4bit_quant_type: nf4", ["7:3: method.bnb_4bit_quant_type"]),
        ("load_in_4bit: true", ["7:3: method.load_in_4bit"]),
        ("load_in_8bit: false", ["7:3: method.load_in_8bit"]),
        ("load_in_4bit: true\n  use_nested_quant: true", ["7:3: method.load_in_4bit", "8:3: method.use_nested_quant"]),
        ("quantization:\n    bnb_4bit_quant_type: nf4\n    load_in_4bit: true", ["7:3: method.quantization"]),
    ],
)
def test_a_method_that_quantises_nothing_has_no_names_of_it(kind, lines, expected, recipe_text, write, told):
    write("moods.yaml", recipe_text.replace("  kind: lora\n  r: 8\n", f"  kind: {kind}\n  {lines}\n"))
    assert told("moods.yaml") == [f"moods.yaml:{place}: {NO_QUANTIZATION}" for place in expected]
    write("bare.yaml", recipe_text.replace("  kind: lora\n  r: 8\n", f"  kind: {kind}\n"))
    write("child.yaml", f"extends: bare.yaml\nmethod:\n\n\n\n\n  {lines}\n")
    assert told("child.yaml") == [f"child.yaml:{place}: {NO_QUANTIZATION}" for place in expected]


def test_an_override_that_quantises_nothing_is_told_by_its_text(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    (line,) = told("moods.yaml", "method.bnb_4bit_quant_type=fp4")
    assert line.startswith("override 'method.bnb_4bit_quant_type=fp4': method.quantization: unknown key")
    assert told("moods.yaml", "method={load_in_4bit: true}") == [
        f"override 'method={{load_in_4bit: true}}': method.load_in_4bit: {NO_QUANTIZATION}"
    ]
    load_recipe("moods.yaml", ["method={kind: qlora, load_in_4bit: true}"])


def test_a_wrong_kind_is_all_that_is_told_of_a_method(recipe_text, write, told):
    write("moods.yaml", recipe_text.replace("kind: lora\n", "kind: qlra\n  load_in_4bit: true\n"))
    assert told("moods.yaml") == [
        "moods.yaml:6:3: method.kind: expected full, lora or qlora, found 'qlra'; did you mean qlora?"
    ]


def test_what_is_wrong_in_an_override_under_another_name_is_told_by_it(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    assert told("moods.yaml", "training.group_by_length=yes", "training.epochs=many") == [
        "override 'training.group_by_length=yes': training.group_by_length: expected true or false, found 'yes'",
        "override 'training.epochs=many': training.num_train_epochs: expected a number, found 'many'",
    ]


def test_a_section_that_is_no_mapping_is_told_as_such(recipe_text, write, told):
    write("moods.yaml", recipe_text + "  report_to: wandb\ntracking: 5\n")
    assert told("moods.yaml") == ["moods.yaml:25:1: tracking: expected keys and values, found 5"]
