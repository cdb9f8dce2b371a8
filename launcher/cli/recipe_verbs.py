"""Verbs about recipes, which start nothing."""

import argparse
import json
import os
import sys

from launcher.cli.arguments import Verbs, add_json, add_recipe, load


def add_verbs(verbs: Verbs) -> None:
    add_json(verbs.add("recipes", list_recipes, "list the recipes that come with the launcher"))

    checking = verbs.add("validate", validate, "check a recipe and show all its errors at once")
    add_recipe(checking)
    add_json(checking, "print the resolved recipe as JSON")

    describing = verbs.add("schema", schema, "print the JSON Schema of recipes or profiles, for editors")
    describing.add_argument(
        "of", nargs="?", choices=("recipe", "cluster"), default="recipe", help="recipes (the default) or profiles"
    )

    planning = verbs.add("plan", plan, "work out memory, steps, time and commits without starting anything")
    add_recipe(planning)
    planning.add_argument("--gpus", type=int, metavar="N", help="plan for N GPUs that are not here (default: 8)")
    planning.add_argument("--accelerator", metavar="NAME", help="which, such as H100, A100-40 or L4 (default: H100)")
    planning.add_argument("--price", type=float, metavar="AMOUNT", help="of an accelerator's hour, in your currency")
    planning.add_argument("--rows", type=int, metavar="N", help="plan for N rows to train on, without reading any")
    planning.add_argument(
        "--data", action="store_true", help="check the data too: lengths, cuts, labels, repeats, overlap, tokenizer"
    )
    planning.add_argument("--sweep-gpus", metavar="8,16,...,1024", help="plan for each number of accelerators")
    planning.add_argument("--plot", metavar="FILE", help="draw the sweep, as PNG")
    add_json(planning)


def list_recipes(chosen: argparse.Namespace) -> int:
    from launcher.recipe.load import load_recipe
    from launcher.recipe.shipped import shipped_recipes

    rows = []
    for shipped in shipped_recipes():
        recipe = load_recipe(str(shipped.path))
        rows.append((shipped.reference, recipe.method.kind, recipe.strategy.key, recipe.task.kind, recipe.description))
    header = ("recipe", "method", "strategy", "task", "description")
    if chosen.json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], indent=1))
        return 0
    widths = [max(map(len, column)) for column in zip(header[:4], *(row[:4] for row in rows), strict=False)]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())
    return 0


def validate(chosen: argparse.Namespace) -> int:
    recipe, _ = load(chosen)
    print(recipe.model_dump_json(indent=1) if chosen.json else f"{recipe.name}: valid, digest {recipe.digest[:12]}")
    return 0


def schema(chosen: argparse.Namespace) -> int:
    from launcher.cluster.profile import KINDS
    from launcher.recipe.json_schema import profile_schema, recipe_schema

    print(json.dumps(recipe_schema() if chosen.of == "recipe" else profile_schema(*KINDS.values()), indent=1))
    return 0


def plan(chosen: argparse.Namespace) -> int:
    from launcher.plan.verb import Asked, plan_recipe

    asked = Asked(
        chosen.gpus, chosen.accelerator, chosen.price, chosen.sweep_gpus, chosen.plot, chosen.rows, data=chosen.data
    )
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    told, code = plan_recipe(*load(chosen), asked, as_json=chosen.json, colour=colour)
    print(told.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))
    return code
