"""A recipe by its path or name, with overrides -> Recipe, or everything that is wrong with it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel

from launcher.recipe.checks import check_sections
from launcher.recipe.compose import compose
from launcher.recipe.explain import validate
from launcher.recipe.problem import Problem, RecipeError
from launcher.recipe.recipe import Recipe
from launcher.recipe.remote import at_hand
from launcher.recipe.scalar import plain_scalar
from launcher.recipe.shipped import find
from launcher.recipe.yaml_source import Document

S = TypeVar("S", bound=BaseModel)


def load_recipe(reference: str, overrides: Sequence[str] = ()) -> Recipe:
    """Loads a recipe.

    Args:
        reference: A path, a URL, or a shipped recipe such as `demo/headlines` or `recipes/demo/headlines.yaml`.
        overrides: `KEY=VALUE` with dotted keys, applied in order.

    Raises:
        RecipeError: with all that is wrong.
    """
    with at_hand(reference) as named:
        return load_section(Recipe, find("recipes", named), overrides, check_sections)


def load_section(
    schema: type[S],
    path: Path,
    overrides: Sequence[str],
    check: Callable[[S, Document], list[Problem]] | None = None,
    prefix: str = "",
) -> S:
    """Loads a file by a schema, with `extends` and overrides.

    Args:
        check: Says what else is wrong with a document that the schema accepts.
        prefix: Taken from the front of each override's key where it is there.

    Raises:
        RecipeError: with all that is wrong.
    """
    problems: list[Problem] = []
    document = compose(path, schema, overrides, problems, prefix)
    section = None
    if document is not None:
        refused: list[Problem] = []
        section = validate(schema, document, refused)
        if section is not None and check is not None:
            refused.extend(check(section, document))
        problems.extend([one for one in refused if not any(known.covers(one) for known in problems)])
    if problems or section is None:
        raise RecipeError(problems)
    return section


def resolved_yaml(section: BaseModel) -> str:
    """A recipe or profile with every default written out; loads back to an equal one."""
    return yaml.dump(section.model_dump(mode="json"), Dumper=_Dumper, sort_keys=False, width=120)


class _Dumper(yaml.SafeDumper):
    """Quotes also the strings that would come back as numbers, such as `1e-4`."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(plain_scalar(text), str) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
