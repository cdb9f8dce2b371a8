"""Recipes that extend others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.recipe.compose import MAX_LEVELS, merge
from launcher.recipe.load import load_recipe
from launcher.recipe.problem import Mark
from launcher.recipe.yaml_source import Document, paths


def test_the_file_that_extends_wins_over_several_levels(recipe_text, write):
    write("base/a.yaml", recipe_text)
    write("base/b.yaml", "extends: a.yaml\ntraining: {max_steps: 30, seed: 1}\n")
    write("x/y.yaml", "extends: ../base/b.yaml\nname: child\ntraining: {seed: 2}\n")
    recipe = load_recipe("x/y.yaml")
    assert (recipe.name, recipe.training.max_steps, recipe.training.seed) == ("child", 30, 2)
    assert recipe.training.learning_rate == 1e-3


def test_of_several_extended_files_the_later_wins(recipe_text, write):
    write("a.yaml", recipe_text)
    write("b.yaml", "training: {max_steps: 1, seed: 1}\n")
    write("c.yaml", "training: {max_steps: 2}\n")
    write("x.yaml", "extends: [a.yaml, b.yaml, c.yaml]\n")
    training = load_recipe("x.yaml").training
    assert (training.max_steps, training.seed) == (2, 1)


def test_a_file_reached_twice_is_no_cycle_and_is_told_once(recipe_text, write, told):
    write("top.yaml", recipe_text)
    write("left.yaml", "extends: top.yaml\ntraining: {seed: 1}\n")
    write("right.yaml", "extends: top.yaml\ntraining: {max_length: 9}\n")
    write("x.yaml", "extends: [left.yaml, right.yaml]\n")
    assert (load_recipe("x.yaml").training.seed, load_recipe("x.yaml").training.max_length) == (1, 9)
    write("top.yaml", recipe_text + "name: again\n")
    assert told("x.yaml") == ["top.yaml:24:1: name: duplicate key; it was first given at top.yaml:1:1"]


def test_a_cycle_is_told_with_its_chain(write, told):
    write("a.yaml", "name: a\nextends: b/b.yaml\n")
    write("b/b.yaml", "extends: [../c.yaml]\n")
    write("c.yaml", "extends: a.yaml\n")
    circle = "these files extend one another in a circle: a.yaml -> b/b.yaml -> c.yaml -> a.yaml"
    assert told("a.yaml") == [f"c.yaml:1:1: extends: {circle}"]


def test_a_file_that_extends_itself_is_told(write, told):
    write("a.yaml", "extends: a.yaml\n")
    assert told("a.yaml") == ["a.yaml:1:1: extends: these files extend one another in a circle: a.yaml -> a.yaml"]


def test_levels_are_bounded(recipe_text, write, told):
    write("0.yaml", recipe_text)
    for level in range(1, MAX_LEVELS + 1):
        write(f"{level}.yaml", f"extends: {level - 1}.yaml\n")
    assert load_recipe(f"{MAX_LEVELS - 1}.yaml").name == "moods"
    assert told(f"{MAX_LEVELS}.yaml") == [f"1.yaml:1:1: extends: more than {MAX_LEVELS} levels of `extends`"]


def test_many_paths_to_the_same_file_cost_one_reading(recipe_text, write):
    write("0.yaml", recipe_text)
    for level in range(1, MAX_LEVELS):
        write(f"{level}.yaml", f"extends: [{', '.join([f'{level - 1}.yaml'] * 4)}]\n")
    assert load_recipe(f"{MAX_LEVELS - 1}.yaml").name == "moods"


def test_a_section_of_another_kind_replaces(recipe_text, write):
    write("a.yaml", recipe_text)
    write("x.yaml", "extends: a.yaml\nmethod: {kind: full}\ndata: {train: {kind: jsonl, url: rows.jsonl}}\n")
    recipe = load_recipe("x.yaml")
    assert recipe.method.model_dump() == {"kind": "full"}
    assert recipe.data.train.model_dump() == {"kind": "jsonl", "url": "rows.jsonl", "encoding": "utf-8"}
    assert recipe.data.labels == {"up": "good", "down": "bad"}


def test_a_section_without_kind_or_of_the_same_kind_merges(recipe_text, write):
    write("a.yaml", recipe_text)
    write("b.yaml", "extends: a.yaml\nmethod: {lora_alpha: 5}\n")
    write("x.yaml", "extends: b.yaml\nmethod: {kind: lora, lora_dropout: 0.5}\n")
    method = load_recipe("x.yaml").method.model_dump()
    assert (method["r"], method["lora_alpha"], method["lora_dropout"]) == (8, 5, 0.5)


def test_a_column_called_kind_is_no_kind(recipe_text, write):
    write("a.yaml", recipe_text.replace("  labels:", "  fields: {kind: a, text: b}\n  labels:"))
    write("x.yaml", "extends: a.yaml\ndata: {fields: {kind: c}}\n")
    assert load_recipe("x.yaml").data.fields == {"kind": "c", "text": "b"}


def test_lists_replace(recipe_text, write):
    write("a.yaml", recipe_text.replace("  r: 8", "  target_modules: [q_proj, k_proj, v_proj]"))
    write("x.yaml", "extends: a.yaml\nmethod: {target_modules: [o_proj]}\n")
    assert load_recipe("x.yaml").method.model_dump()["target_modules"] == ["o_proj"]


def test_a_replaced_section_leaves_no_marks_behind(recipe_text, write, told):
    write("a.yaml", recipe_text)
    write("x.yaml", "extends: a.yaml\ndata:\n  train:\n    kind: jsonl\n")
    assert told("x.yaml") == ["x.yaml:3:3: data.train.url: missing; this key is required"]


TAGS = {("a",): "kind", ("b", "c"): "kind"}
leaves = st.none() | st.integers(0, 3) | st.lists(st.integers(0, 3), max_size=2)
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c", "kind"]), inner, max_size=3))


def document(name: str) -> st.SearchStrategy[Document]:
    mappings = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)
    return mappings.map(lambda values: Document(values, {path: Mark(name, 1, 1) for path in paths(values)}))


@given(document("one"))
def test_merging_nothing_changes_nothing(one):
    nothing = Document({}, {(): one.marks[()]})
    assert merge(one, nothing, TAGS) == one
    assert merge(nothing, one, TAGS) == one


@given(document("one"), document("two"))
def test_merging_twice_is_merging_once(one, two):
    merged = merge(one, two, TAGS)
    assert merge(merged, two, TAGS) == merged


@given(document("one"), document("two"))
def test_every_value_has_one_mark_and_later_values_keep_theirs(one, two):
    merged = merge(one, two, TAGS)
    assert set(merged.marks) == set(paths(merged.values))
    assert set(paths(two.values)) <= set(merged.marks)
    assert all(merged.marks[path] == two.marks[path] for path in two.marks)


@given(document("one"), document("two"))
def test_merging_leaves_its_inputs_alone(one, two):
    before = repr((one, two))
    merge(one, two, TAGS)
    assert repr((one, two)) == before


@pytest.mark.parametrize(("parent", "child", "kinds"), [("x", "x", {"kind", "r", "s"}), ("x", "y", {"kind", "s"})])
def test_a_kind_decides_between_merging_and_replacing(parent, child, kinds):
    one = Document({"a": {"kind": parent, "r": 1}}, {})
    two = Document({"a": {"kind": child, "s": 1}}, {})
    marks = {path: Mark("m", 1, 1) for document in (one, two) for path in paths(document.values)}
    merged = merge(Document(one.values, marks), Document(two.values, marks), TAGS)
    assert set(merged.values["a"]) == kinds
