"""Why a recipe as a whole cannot train, out of every table that says so."""

from launcher.recipe.method import Method, QLora
from launcher.recipe.method_checks import method_refusal
from launcher.recipe.optimizers import optimizer_refusal
from launcher.recipe.recipe import Recipe
from launcher.recipe.table import Key, refusal


def recipe_refusal(recipe: Recipe, device: str) -> str | None:
    """The first reason with its mend why a recipe cannot train on `cpu` or `cuda`; None where it can."""
    return (
        combination_refusal(recipe, device)
        or method_refusal(recipe.method, device)
        or optimizer_refusal(recipe.training.optim, device, recipe.strategy.key)
    )


def combination_refusal(recipe: Recipe, device: str) -> str | None:
    """What the table of possible combinations says of a recipe."""
    key = combination(recipe, device)
    reason = refusal(key)
    shown = key[:4] if key.mode == "padded" else (*key[:4], key.mode)
    return reason and f"{' + '.join(shown)} is refused: {reason}"


def combination(recipe: Recipe, device: str) -> Key:
    """Where a recipe stands in the table."""
    training = recipe.training
    method, strategy, task = method_name(recipe.method), recipe.strategy.key, recipe.task.kind
    return Key(method, strategy, training.precision, task, device, training.mode)


def method_name(method: Method) -> str:
    """A method's name in the table."""
    int8 = isinstance(method, QLora) and method.quantization.type == "int8"
    return "qlora-int8" if int8 else method.kind
