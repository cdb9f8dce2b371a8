"""Recipes that are right."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import launcher
from launcher.recipe.load import load_recipe, resolved_yaml
from launcher.recipe.problem import RecipeError
from launcher.recipe.recipe import Recipe
from launcher.recipe.shipped import find, shipped_folder, shipped_recipes

words = st.text(max_size=30) | st.sampled_from(
    ["1e-4", "010", "no", "null", "~", "<<", "=", "1:30", "2024-01-31", " ", "#"]
)
plain = st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=200)
models = st.fixed_dictionaries(
    {"kind": st.just("pretrained"), "name_or_path": words},
    optional={"revision": st.none() | words, "add_tokens": st.lists(words, max_size=3)},
) | st.fixed_dictionaries({"kind": st.just("scratch")}, optional={"seed": st.integers(-(10**30), 10**30)})
recipes = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
        "description": words,
        "model": models,
        "method": st.sampled_from(["full", "lora", "qlora"]).map(lambda kind: {"kind": kind}),
        "task": plain.map(lambda text: {"kind": "instruction", "prompt": f"{text} {{text}}"}),
        "data": st.fixed_dictionaries(
            {
                "train": st.fixed_dictionaries({"kind": st.just("csv"), "url": words, "columns": st.lists(words)}),
                "split": st.just({"train_per_class": 1, "test_per_class": 1}),
                "labels": st.dictionaries(words, words, max_size=3),
            }
        ),
        "strategy": st.just({"kind": "ddp"}),
        "training": st.fixed_dictionaries({"learning_rate": st.floats(1e-300, 1e300)}),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(values=recipes)
def test_a_resolved_recipe_loads_back_to_an_equal_one(values, tmp_path):
    recipe = Recipe.model_validate(values)
    path = tmp_path / "resolved.yaml"
    path.write_bytes(resolved_yaml(recipe).encode())
    again = load_recipe(str(path))
    assert again == recipe
    assert again.digest == recipe.digest


def test_a_file_in_the_working_directory_comes_before_a_shipped_one(recipe_text, write, tmp_path, monkeypatch):
    ship(tmp_path / "site", "recipes/demo/x.yaml", recipe_text.replace("moods", "shipped"), monkeypatch)
    write("recipes/demo/x.yaml", recipe_text)
    assert load_recipe("recipes/demo/x.yaml").name == "moods"
    assert load_recipe("demo/x").name == "shipped"


@pytest.mark.parametrize("inside", ["recipes", "launcher/_shipped/recipes"])
def test_a_shipped_recipe_is_found_by_each_of_its_names(inside, recipe_text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ship(tmp_path / "site", f"{inside}/demo/x.yaml", recipe_text, monkeypatch)
    ship(tmp_path / "site", f"{inside}/base/part.yaml", "training: {seed: 1}\n", monkeypatch)
    for reference in ("demo/x", "demo/x.yaml", "recipes/demo/x", "recipes/demo/x.yaml"):
        assert load_recipe(reference).name == "moods"
    assert [one.reference for one in shipped_recipes()] == ["demo/x"]


def test_an_unknown_recipe_is_told_with_the_nearest_name(recipe_text, write, tmp_path, monkeypatch, told):
    ship(tmp_path / "site", "recipes/demo/headlines.yaml", recipe_text, monkeypatch)
    write("other.yaml", "")
    assert told("demo/headline") == [
        "demo/headline: no such file, and nothing of that name in the shipped recipes/; did you mean demo/headlines?"
    ]


def test_the_installed_folder_comes_before_the_one_beside_the_package(tmp_path, monkeypatch):
    ship(tmp_path, "recipes/a.yaml", "", monkeypatch)
    assert shipped_folder("recipes") == tmp_path / "recipes"
    ship(tmp_path, "launcher/_shipped/recipes/a.yaml", "", monkeypatch)
    assert shipped_folder("recipes") == tmp_path / "launcher/_shipped/recipes"


def test_every_shipped_recipe_loads_and_resolves_to_itself(tmp_path):
    found = shipped_recipes()
    assert found
    for one in found:
        recipe = load_recipe(one.reference)
        (tmp_path / "resolved.yaml").write_text(resolved_yaml(recipe), encoding="utf-8")
        assert load_recipe(str(tmp_path / "resolved.yaml")) == recipe


def test_every_shipped_recipe_file_is_listed():
    root = shipped_folder("recipes")
    listed = {one.path for one in shipped_recipes()}
    assert listed == {path for path in root.rglob("*.yaml") if path.relative_to(root).parts[0] != "base"}


def test_loading_imports_nothing_heavy():
    code = (
        "import sys; import launcher.recipe.load, launcher.cluster.load, launcher.recipe.shipped;"
        "print(*{'torch', 'transformers', 'ray', 'numpy', 'fsspec', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def ship(site: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `site` the place where the package is installed, with a file in it."""
    monkeypatch.setattr(launcher, "__file__", str(site / "launcher" / "__init__.py"))
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_find_raises_a_recipe_error_for_an_unknown_profile():
    with pytest.raises(RecipeError, match=r"locl: no such file.*did you mean local\?"):
        find("cluster", "locl")
