"""Why a recipe as a whole cannot train, out of every table that says so."""

from launcher.recipe.liger import liger_refusal
from launcher.recipe.method import Method, QLora
from launcher.recipe.method_checks import method_refusal
from launcher.recipe.optimizers import optimizer_refusal
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import CHOICES, Auto
from launcher.recipe.table import Key, refusal


def recipe_refusal(recipe: Recipe, device: str) -> str | None:
    """The first reason with its mend why a recipe cannot train on `cpu` or `cuda`; None where it can."""
    reasons = [
        combination_refusal(each, device)
        or method_refusal(each.method, device)
        or optimizer_refusal(each.training.optim, device, each.strategy.key)
        or (liger_refusal(device) if each.training.use_liger_kernel else None)
        for each in settled(recipe)
    ]
    return None if None in reasons else reasons[0]


def settled(recipe: Recipe) -> list[Recipe]:
    """The recipe with each strategy that it leaves open, or alone."""
    if not isinstance(recipe.strategy, Auto):
        return [recipe]
    return [recipe.model_copy(update={"strategy": strategy}) for strategy in CHOICES]


def combination_refusal(recipe: Recipe, device: str) -> str | None:
    """What the table of possible combinations says of a recipe."""
    keys = [combination(each, device) for each in settled(recipe)]
    if any(refusal(key) is None for key in keys):
        return None
    key = keys[0]
    shown = key[:4] if key.mode == "padded" else (*key[:4], key.mode)
    return f"{' + '.join(shown)} is refused: {refusal(key)}"


def combination(recipe: Recipe, device: str) -> Key:
    """Where a recipe stands in the table."""
    training = recipe.training
    method, strategy, task = method_name(recipe.method), recipe.strategy.key, recipe.task.kind
    return Key(method, strategy, training.precision, task, device, training.mode)


def method_name(method: Method) -> str:
    """A method's name in the table."""
    int8 = isinstance(method, QLora) and method.quantization.type == "int8"
    return "qlora-int8" if int8 else method.kind
