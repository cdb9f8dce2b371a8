"""Whatever stands in a recipe, it is a recipe or it is told what is wrong."""

from functools import reduce

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from launcher.recipe.explain import validate
from launcher.recipe.override import read_override
from launcher.recipe.problem import Mark
from launcher.recipe.recipe import Recipe
from launcher.recipe.yaml_source import Document, paths

SOUND = """
name: a
model: {kind: scratch}
method: {kind: lora, r: 8, target_modules: [q_proj]}
task: {kind: classification, labels: [a, b]}
data:
  train: {kind: csv, url: x, columns: [text, label]}
  split: {train_per_class: 1, test_per_class: 1}
  labels: {u: a}
strategy: {kind: deepspeed, zero_stage: 2}
training: {max_steps: 3, learning_rate: 0.1, warmup_steps: 1}
"""
KEYS = ["kind", "r", "name", "url", "labels", "seed", "max_steps", "num_train_epochs", "csv", "list[str]", "x"]
leaves = (
    st.none() | st.booleans() | st.integers(-1, 9) | st.floats() | st.sampled_from(["lora", "full", "csv", "{", "a"])
)
values = st.recursive(
    leaves,
    lambda one: st.lists(one, max_size=2) | st.dictionaries(st.sampled_from(KEYS), one, max_size=3),
    max_leaves=4,
)


def sound() -> Document:
    mapping = yaml.safe_load(SOUND)
    return Document(mapping, {path: Mark("f", 1, 1) for path in paths(mapping)})


@settings(deadline=None)
@given(data=st.data())
def test_every_refusal_is_told_at_a_key_that_is_there_or_missing(data):
    document = sound()
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([path for path in paths(document.values) if path]))
        holder = reduce(lambda value, key: value[key], path[:-1], document.values)
        key = data.draw(st.sampled_from([path[-1], *KEYS])) if isinstance(holder, dict) else path[-1]
        holder[key] = data.draw(values)
    document = Document(document.values, {path: Mark("f", 1, 1) for path in paths(document.values)})
    problems = []
    recipe = validate(Recipe, document, problems)
    assert (recipe is None) == bool(problems)
    there = {".".join(map(str, path)) for path in paths(document.values)}
    assert all(one.path in there or one.message == "missing" for one in problems)
    assert len({one.path for one in problems}) == len(problems)


def test_as_many_values_are_told_as_pydantic_refused():
    document = sound()
    document.values.update(name=1, strategy={"kind": "ddp", "x": 1}, method={"kind": "lora", "target_modules": [1, 2]})
    try:
        Recipe.model_validate(document.values)
    except ValidationError as error:
        refused = {tuple(one["loc"]) for one in error.errors()}
    problems = []
    validate(Recipe, document, problems)
    assert [one.path for one in problems] == [
        "name",
        "method.target_modules.0",
        "method.target_modules.1",
        "strategy.x",
    ]
    assert len(refused) == len(problems) + 1  # pydantic also says that the list is not 'all-linear'


@given(st.text("abekmnrst._=[]{}'\"&*!0: \udcff", max_size=20) | st.text(max_size=20).map("data.labels={}".__add__))
def test_any_override_changes_something_or_is_told(text):
    problems = []
    change = read_override(text, "", Recipe, sound(), problems)
    assert (change is None) == (len(problems) == 1)
    assert change is None or set(change.marks) == set(paths(change.values))
