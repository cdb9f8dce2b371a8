"""What verbs share: how they are added, and arguments that several take."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launcher.cluster.profile import Profile
    from launcher.recipe.recipe import Recipe

Verb = Callable[[argparse.Namespace], int]
RUN_HELP = "a run directory: path, URL, or an id under ./runs"


class Verbs:
    """The verbs of a parser."""

    def __init__(self, parsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
        self._parsers = parsers

    def add(self, name: str, verb: Verb, what: str) -> argparse.ArgumentParser:
        """A verb's own parser, to which its arguments are added."""
        added = self._parsers.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        added.set_defaults(verb=verb)
        return added


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """A recipe, overrides of its fields, and a profile."""
    parser.add_argument("recipe", metavar="RECIPE", help="a file, or a shipped recipe such as demo/headlines")
    parser.add_argument(
        "overrides",
        metavar="KEY=VALUE",
        nargs="*",
        default=[],
        help="override a field by its path; cluster.KEY for the profile's",
    )
    parser.add_argument(
        "--cluster", metavar="PROFILE", help="cluster profile, a file or a shipped one (default: local)"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=RUN_HELP)


def add_json(parser: argparse._ActionsContainer, what: str = "print JSON") -> None:
    parser.add_argument("--json", action="store_true", help=what)


def load(chosen: argparse.Namespace) -> tuple["Recipe", "Profile"]:
    """What `add_recipe` asked for."""
    from launcher.cluster.load import load_profile, split_overrides
    from launcher.recipe.load import load_recipe

    recipe_overrides, profile_overrides = split_overrides(chosen.overrides)
    return load_recipe(chosen.recipe, recipe_overrides), load_profile(chosen.cluster, profile_overrides)


def tell(line: str) -> None:
    """A line beside the output, as progress is."""
    print(line, file=sys.stderr)
