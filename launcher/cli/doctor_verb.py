"""The verb that examines machines before a run."""

import argparse
from typing import TYPE_CHECKING

from launcher.cli.arguments import Verbs, add_json, load, tell
from launcher.errors import InvalidInput

if TYPE_CHECKING:
    from launcher.cluster.profile import Profile
    from launcher.recipe.recipe import Recipe

CHECKS = "versions, environment, store, paths, clock, disk, gpus, straggler, collectives"


def add_verbs(verbs: Verbs) -> None:
    examining = verbs.add("doctor", doctor, "examine the machines of a profile, and say what to mend")
    examining.add_argument("recipe", metavar="RECIPE", nargs="?", help="look at what this recipe needs, too")
    examining.add_argument("overrides", metavar="KEY=VALUE", nargs="*", default=[], help="as for launcher run")
    examining.add_argument("--cluster", metavar="PROFILE", help="cluster profile (default: local, which is here)")
    examining.add_argument("--only", metavar="CHECK,...", help=f"of {CHECKS}")
    for flag, what in (("--ban", "leave a host out of what is submitted from now on"), ("--unban", "take a ban back")):
        examining.add_argument(flag, metavar="HOST", action="append", default=[], help=f"{what}; may be given again")
    add_json(examining)


def doctor(chosen: argparse.Namespace) -> int:
    if chosen.recipe is not None and "=" in chosen.recipe:
        chosen.overrides = [chosen.recipe, *chosen.overrides]
        chosen.recipe = None
    recipe, profile = _load(chosen)
    from rich.console import Console

    from launcher.doctor.command import Asked, examine, tell_ledger

    if chosen.ban or chosen.unban:
        for line in tell_ledger(profile.storage, chosen.ban, chosen.unban):
            print(line)
        return 0
    named = [*([chosen.recipe] if chosen.recipe else []), *chosen.overrides]
    words = [*named, *(["--cluster", chosen.cluster] if chosen.cluster else [])]
    silent = (lambda line: None) if chosen.json else tell
    return examine(recipe, profile, Asked(tuple(words), chosen.only, chosen.json), Console(), silent)


def _load(chosen: argparse.Namespace) -> "tuple[Recipe | None, Profile]":
    if chosen.recipe is not None:
        return load(chosen)
    from launcher.cluster.load import load_profile, split_overrides

    recipe, profile = split_overrides(chosen.overrides)
    if recipe:
        raise InvalidInput(f"{recipe[0]}: there is no recipe to change; name one before it")
    return None, load_profile(chosen.cluster, profile)
