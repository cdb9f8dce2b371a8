import pytest

from launcher.checkpoint.contents import Origin
from launcher.checkpoint.recipe_change import check_recipe
from launcher.errors import InvalidInput

RECIPE = {"name": "news", "training": {"learning_rate": 1e-4, "epochs": 3}, "model": {"kind": "scratch"}}
WRITTEN = Origin("run", RECIPE, "one", {}, {})
OTHER = {"name": "news", "training": {"learning_rate": 2e-4, "epochs": 3, "seed": 1}, "model": {"kind": "scratch"}}


def test_the_same_recipe_goes_on() -> None:
    assert check_recipe(WRITTEN, RECIPE, "one") == []


def test_every_field_that_differs_is_told_in_one_line() -> None:
    with pytest.raises(InvalidInput) as error:
        check_recipe(WRITTEN, OTHER, "two")
    assert str(error.value) == (
        "recipe: the run began with another one (training.learning_rate: 0.0001 -> 0.0002; "
        "training.seed: nothing -> 1); put it back, or start another run"
    )


def test_fields_that_may_change_do_and_are_told() -> None:
    told = check_recipe(WRITTEN, OTHER, "two", may_change=["training"])
    assert told == ["training.learning_rate: 0.0001 -> 0.0002", "training.seed: nothing -> 1"]
    with pytest.raises(InvalidInput, match=r"\(training.seed: nothing -> 1\)"):
        check_recipe(WRITTEN, OTHER, "two", may_change=["training.learning_rate", "training.se"])


def test_a_digest_alone_is_enough_to_refuse() -> None:
    with pytest.raises(InvalidInput, match="its digest differs"):
        check_recipe(WRITTEN, RECIPE, "two")
