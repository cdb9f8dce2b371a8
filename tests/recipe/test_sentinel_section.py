"""`sentinel:` as a recipe gives it."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from launcher.recipe.recipe import Recipe
from launcher.recipe.sentinel import Sentinel


def test_it_is_on_by_itself(recipe_of: Callable[..., Recipe]) -> None:
    assert recipe_of().sentinel == Sentinel()
    assert Sentinel().enabled


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"window_steps": 10, "warmup_steps": 20}, "warmup_steps is more than window_steps"),
        ({"window_steps": 1}, "greater than or equal to 2"),
        ({"spike_steps": 0}, "greater than 0"),
        ({"slow_factor": 1.0}, "greater than 1"),
        ({"max_rollbacks": -1}, "greater than or equal to 0"),
        ({"spikes": 3}, "not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(recipe_of: Callable[..., Recipe], given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        recipe_of(sentinel=given)
