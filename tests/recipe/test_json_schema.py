"""`launcher schema`: what an editor is told about recipes and profiles."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from launcher.cli import main
from launcher.cluster.profile import KINDS
from launcher.recipe.aliases import ALIASES, VALUES
from launcher.recipe.json_schema import profile_schema, recipe_schema
from launcher.recipe.load import load_recipe, resolved_yaml
from launcher.recipe.shipped import shipped_folder, shipped_recipes
from launcher.recipe.yaml_source import parse
from tests.recipe.test_method_names import METHOD_CASES, method_text
from tests.recipe.test_names import CASES

RECIPES = sorted(shipped_folder("recipes").rglob("*.yaml"))
PROFILES = sorted(shipped_folder("cluster").rglob("*.yaml"))


def values(text: str) -> object:
    return parse(text.encode(), "file").value


def checked(schema: dict[str, Any]) -> Draft202012Validator:
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def recipes():
    return checked(recipe_schema())


@pytest.fixture(scope="module")
def profiles():
    return checked(profile_schema(*KINDS.values()))


def test_the_verb_prints_them(recipes, profiles, capsys):
    for words, expected in (((), recipes), (("recipe",), recipes), (("cluster",), profiles)):
        assert main(["schema", *words]) == 0
        assert json.loads(capsys.readouterr().out) == expected.schema


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_file_is_right_as_it_stands(path: Path, recipes):
    assert [error.message for error in recipes.iter_errors(values(path.read_text()))] == []


@pytest.mark.parametrize("shipped", shipped_recipes(), ids=lambda shipped: shipped.reference)
def test_every_shipped_recipe_is_right_with_what_it_extends(shipped, recipes):
    assert [error.message for error in recipes.iter_errors(values(resolved_yaml(load_recipe(str(shipped.path)))))] == []


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_shipped_profile_is_right(path: Path, profiles):
    assert [error.message for error in profiles.iter_errors(values(path.read_text()))] == []


@pytest.mark.parametrize("written", [written for written, _, _ in CASES])
def test_every_name_is_known_to_editors(written, recipe_text, recipes):
    whole = f"{recipe_text.partition('training:')[0]}training: {{{written}}}\n"
    assert [error.message for error in recipes.iter_errors(values(whole))] == []


@pytest.mark.parametrize(("kind", "within", "written", "_"), METHOD_CASES)
def test_every_name_of_a_method_is_known_to_editors(kind, within, written, _, recipe_text, recipes):
    whole = recipe_text.replace("method:\n  kind: lora\n  r: 8\n", method_text(kind, within, written))
    assert [error.message for error in recipes.iter_errors(values(whole))] == []


BAD = [
    ("  r: 8", "  rr: 8"),
    ("kind: lora", "kind: loora"),
    ("  kind: lora\n", ""),
    ("  r: 8", "  lora_rank: many"),
    ("  r: 8", "  bnb_4bit_quant_type: nf4"),
    ("  r: 8", "  load_in_4bit: true"),
    ("kind: lora\n  r: 8", "kind: full\n  load_in_4bit: true"),
    ("kind: lora\n  r: 8", "kind: qlora\n  load_in_4bit: yes"),
    ("kind: lora\n  r: 8", "kind: qlora\n  bnb_4bit_quant_type: int4"),
    ("kind: lora\n  r: 8", "kind: qlora\n  quantization: {bnb_4bit_compute_dtype: uint8}"),
    ("zero_stage: 2", "zero_stage: 4"),
    ("max_steps: 20", "max_steps: many"),
    ("max_steps: 20", "max_step: 20"),
    ("max_steps: 20", "evaluation_strategy: hourly"),
    ("max_steps: 20", "fp16: O1"),
    ("learning_rate: 1e-3", "learning_rate: 0"),
    ("name: moods", "name: mo/ods"),
    ("    url: rows.csv\n", ""),
    ("training:", "trainin:"),
]


@pytest.mark.parametrize(("old", "new"), BAD)
def test_a_mistake_is_seen(old, new, recipe_text, recipes):
    assert recipes.is_valid(values(recipe_text))
    assert old in recipe_text
    assert not recipes.is_valid(values(recipe_text.replace(old, new)))


@pytest.mark.parametrize(
    "text",
    [
        "extends: base.yaml\nmethod: {r: 4}\n",
        "extends: [a.yaml, b.yaml]\nname: x\ndata: {train: {url: x.csv}}\n",
        "extends: base.yaml\nmethod: {kind: qlora, quantization: {double_quantization: false}}\n",
        "training: {learning_rate: 0.1}\n",
    ],
)
def test_a_part_of_a_recipe_may_lack_anything(text, recipes):
    assert recipes.is_valid(values(text))


MIXTURE = "{kind: mixture, sources: {a: {weight: 1, source: {kind: csv, url: x}}, b: %s}}"


@pytest.mark.parametrize(
    ("train", "right", "right_in_part"),
    [
        ("{kind: prepared, url: s3://bucket/x}", True, True),
        ("{kind: prepared}", False, True),
        (MIXTURE % "{weight: 0.5, source: {kind: prepared, url: x}, labels: {up: good}}", True, True),
        (MIXTURE % "{source: {kind: prepared, url: x}}", False, True),
        (MIXTURE % "{weight: 0, source: {kind: prepared, url: x}}", False, False),
        (MIXTURE % "{weight: 1, source: {kind: mixture, sources: {}}}", False, False),
    ],
)
def test_sources_to_train_on_are_known_to_editors(train, right, right_in_part, recipe_text, recipes):
    whole = recipe_text.replace("train:\n    kind: csv\n    url: rows.csv", f"train: {train}")
    assert recipes.is_valid(values(whole)) == right
    part = f"extends: base.yaml\ndata: {{train: {train.replace('kind: mixture, ', '')}}}\n"
    assert recipes.is_valid(values(part)) == right_in_part


def test_prepared_data_to_test_on_are_a_mistake_to_editors(recipe_text, recipes):
    whole = recipe_text.replace("  split:", "  test: {kind: prepared, url: x}\n  split:")
    assert not recipes.is_valid(values(whole))


@pytest.mark.parametrize(
    "text",
    [
        "extends: base.yaml\nmethod: {rr: 4}\n",
        "extends: 5\n",
        "extends: base.yaml\nmethod: {kind: full, r: 4}\n",
        "training: {learning_rate: fast}\n",
    ],
)
def test_a_mistake_in_a_part_is_seen(text, recipes):
    assert not recipes.is_valid(values(text))


@pytest.mark.parametrize(
    "text", ["backend: locl\n", "workers: 2\n", "backend: local\nworkers: 0\n", "backend: local\nx: 1\n"]
)
def test_a_mistake_in_a_profile_is_seen(text, profiles):
    assert not profiles.is_valid(values(text))


def test_fields_are_described_and_other_names_are_deprecated(recipes):
    training = recipes.schema["$defs"]["Training"]["properties"]
    assert training["max_length"]["description"] == "Tokens a row at the most."
    assert training["evaluation_strategy"]["description"] == "Another name of training.eval_strategy."
    assert training["optim"]["anyOf"][1] == {"enum": list(VALUES["training", "optim"]), "deprecated": True}
    dtype = recipes.schema["$defs"]["Quantization"]["properties"]["compute_dtype"]
    assert dtype["anyOf"][1]["enum"] == list(VALUES["method", "quantization", "compute_dtype"])


def test_each_section_lists_the_other_names_of_its_own_fields(recipes):
    listed = {
        name: {key for key, field in section["properties"].items() if field.get("deprecated")}
        for name, section in recipes.schema["$defs"].items()
        if not name.endswith("Part") and "properties" in section
    }
    names = {section: {path[-1] for path in ALIASES if path[:-1] == section} for section in {p[:-1] for p in ALIASES}}
    of_quantization = names["method", "quantization"]
    assert {name: keys for name, keys in listed.items() if keys} == {
        "Training": names["training",],
        "Lora": names["method",] - of_quantization,
        "QLora": names["method",],
        "Quantization": of_quantization,
    }
    described = recipes.schema["$defs"]["QLora"]["properties"]["bnb_4bit_quant_type"]["description"]
    assert described == "Another name of method.quantization.type."
