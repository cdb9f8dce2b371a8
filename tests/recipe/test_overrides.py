"""`KEY=VALUE` of the command line."""

import pytest

from launcher.recipe.load import load_recipe

TYPED = [
    ("name=123", ("name",), "123"),
    ("name=1e5", ("name",), "1e5"),
    ("name='123'", ("name",), "123"),
    ('name="a"', ("name",), "a"),
    ("name=true", ("name",), "true"),
    ("description=", ("description",), ""),
    ("description=a=b: c #d", ("description",), "a=b: c #d"),
    ("description=null", ("description",), "null"),
    ("data.train.url=/x", ("data", "train", "url"), "/x"),
    ("data.train.url=s3://bucket/x", ("data", "train", "url"), "s3://bucket/x"),
    ("task.prompt={text}", ("task", "prompt"), "{text}"),
    ("task.prompt={text}: say", ("task", "prompt"), "{text}: say"),
    ("task.prompt=[INST] {text} #1", ("task", "prompt"), "[INST] {text} #1"),
    ('task.prompt="{text}\\n"', ("task", "prompt"), "{text}\n"),
    ('task.prompt="{text}" said', ("task", "prompt"), '"{text}" said'),
    ("training.max_steps=7", ("training", "max_steps"), 7),
    ("training.max_steps=null", ("training", "max_steps"), None),
    ("training.learning_rate=1e-4", ("training", "learning_rate"), 1e-4),
    ("training.learning_rate=1", ("training", "learning_rate"), 1.0),
    ("training.gradient_checkpointing=true", ("training", "gradient_checkpointing"), True),
    ("training.precision=bf16", ("training", "precision"), "bf16"),
    ("method.target_modules=[q_proj, v_proj]", ("method", "target_modules"), ["q_proj", "v_proj"]),
    ("method.target_modules=all-linear", ("method", "target_modules"), "all-linear"),
    ("data.labels.sideways=good", ("data", "labels"), {"up": "good", "down": "bad", "sideways": "good"}),
    ("data.labels={up: bad}", ("data", "labels"), {"up": "bad", "down": "bad"}),
    ("data.labels.0=good", ("data", "labels", "0"), "good"),
    ("data.corrupt_blocks=quarantine", ("data", "corrupt_blocks"), "quarantine"),
    ("data.split.seed=7", ("data", "split", "seed"), 7),
    ("evaluation.classical=false", ("evaluation", "classical"), False),
]


@pytest.mark.parametrize(("override", "path", "value"), TYPED, ids=[override for override, _, _ in TYPED])
def test_a_value_is_typed_by_the_schema(override, path, value, recipe_text, write):
    write("moods.yaml", recipe_text)
    found = load_recipe("moods.yaml", [override]).model_dump()
    for key in path:
        found = found[key]
    assert found == value
    assert type(found) is type(value)


REFUSED = [
    ("training.max_step=3", "training.max_step: unknown key; did you mean max_steps?"),
    ("trainin.max_steps=3", "trainin: unknown key; did you mean training?"),
    ("training.max_steps.x=3", "training.max_steps.x: unknown key; training.max_steps holds a value, not keys"),
    ("data.labels.up.x=3", "data.labels.up.x: unknown key; data.labels.up holds a value, not keys"),
    ("data.train.columns.0=x", "data.train.columns.0: unknown key; data.train.columns holds a value, not keys"),
    ("extends=a.yaml", "extends: unknown key"),
    ("method.quantization.type=nf4", "method.quantization: unknown key; quantisation is method.kind: qlora"),
    ("training..seed=3", "training.: unknown key"),
    ("=3", "unknown key"),
    ("training.seed", "expected KEY=VALUE, such as training.max_steps=100"),
    ("training.max_steps=many", "training.max_steps: expected a whole number, found 'many'"),
    ("training.max_steps=1_000", "training.max_steps: expected a whole number, found '1_000'"),
    ("training.max_steps='3'", "training.max_steps: expected a whole number, found '3'"),
    (
        "training.max_steps=[3",
        "training.max_steps: not YAML: while parsing a flow sequence, did not find expected ',' or ']'",
    ),
    ("training.max_steps=" + "[" * 1000, "training.max_steps: nested deeper than 32 levels"),
    ("data.labels={up: &a good}", "data.labels: anchor &a is not read; remove it, or share values by `extends`"),
    ("data.labels={up: goood}", "data.labels.up: label 'goood' is not in task.label_words; did you mean good?"),
    ("method.kind=loora", "method.kind: expected full, lora or qlora, found 'loora'; did you mean lora?"),
    (
        "strategy.offload_param=true",
        "strategy.offload_param: lora + zero2+param + fp32 + instruction is refused: parameters are offloaded where "
        "they are partitioned, at stage 3; use zero_stage 3, or offload_param: false",
    ),
    ("name=\udcff", "name: expected text that UTF-8 can write, found '\\udcff'"),
]


@pytest.mark.parametrize(("override", "line"), REFUSED, ids=[ascii(override[:40]) for override, _ in REFUSED])
def test_a_wrong_override_is_told_by_its_own_words(override, line, recipe_text, write, told):
    write("moods.yaml", recipe_text)
    begun = f"override '{override}'".replace("\udcff", "\\udcff")
    assert f"{begun}: {line}" in told("moods.yaml", override)


def test_later_overrides_win(recipe_text, write):
    write("moods.yaml", recipe_text)
    assert load_recipe("moods.yaml", ["training.seed=1", "training.seed=2"]).training.seed == 2


def test_a_new_kind_replaces_its_section_and_takes_further_overrides(recipe_text, write):
    write("moods.yaml", recipe_text)
    assert load_recipe("moods.yaml", ["method.kind=full"]).method.model_dump() == {"kind": "full"}
    method = load_recipe("moods.yaml", ["method.kind=qlora", "method.quantization.type=nf4", "method.r=4"]).method
    assert (method.kind, method.model_dump()["r"], method.model_dump()["lora_alpha"]) == ("qlora", 4, 32)


def test_an_override_reaches_into_a_section_that_the_recipe_leaves_out(recipe_text, write):
    write("moods.yaml", recipe_text)
    recipe = load_recipe("moods.yaml", ["data.split=null", "data.test.kind=tsv", "data.test.url=test.tsv"])
    assert recipe.data.test is not None
    assert recipe.data.test.model_dump()["url"] == "test.tsv"


def test_a_contradiction_is_told_together_with_other_errors_of_its_section(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    overrides = ("training.warmup_ratio=0.1", "training.warmup_steps=3", "training.learning_rate=fast")
    assert [line.partition(": ")[2].partition(":")[0] for line in told("moods.yaml", *overrides)] == [
        "training.learning_rate",
        "training.warmup_steps",
    ]


def test_a_contradiction_with_the_file_names_both_places(recipe_text, write, told):
    write("moods.yaml", recipe_text.replace("max_steps: 20", "warmup_steps: 20"))
    assert told("moods.yaml", "training.warmup_ratio=0.1") == [
        "moods.yaml:22:3: training.warmup_steps: warmup_steps and warmup_ratio contradict each other: give one, or "
        "null for the other; warmup_ratio is given at override 'training.warmup_ratio=0.1'"
    ]


def test_what_an_override_leaves_alone_keeps_its_place_in_the_file(recipe_text, write, told):
    write("moods.yaml", recipe_text.replace("    url: rows.csv\n", ""))
    assert told("moods.yaml", "data.train.encoding=latin-1") == [
        "moods.yaml:13:3: data.train.url: missing; this key is required"
    ]


def test_a_new_kind_asks_for_its_own_keys_where_the_section_stands(recipe_text, write, told):
    write("moods.yaml", recipe_text)
    assert told("moods.yaml", "data.train.kind=headlines", "data.train.rows_per_class=3", "data.train.seed=1") == [
        "moods.yaml:13:3: data.train.templates: missing; expected seen or held-out"
    ]
