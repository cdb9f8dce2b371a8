"""The command line: one thin function a verb. Nothing heavy is imported before a verb needs it."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from launcher import __version__
from launcher.errors import LauncherError

if TYPE_CHECKING:
    from launcher.cluster.profile import Local
    from launcher.recipe.recipe import Recipe

Verb = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code."""
    chosen = _parse(arguments)
    try:
        verb: Verb = chosen.verb
        return verb(chosen)
    except LauncherError as error:
        print(f"launcher: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("launcher: cancelled", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Flags and KEY=VALUE in any order, which argparse alone does not take below a verb."""
    parser = make_parser()
    chosen, rest = parser.parse_known_args(arguments)
    strays = [word for word in rest if word.startswith("-") or "=" not in word or "overrides" not in chosen]
    if strays:
        parser.error(f"unrecognized arguments: {' '.join(strays)}")
    if rest:
        chosen.overrides += rest
    return chosen


def make_parser() -> argparse.ArgumentParser:
    """The verbs and their flags."""
    parser = argparse.ArgumentParser(
        prog="launcher", description="Fine-tune Llama-family models on GPU clusters and never lose a run."
    )
    parser.add_argument("--version", action="version", version=f"launcher {__version__}")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add(name: str, verb: Verb, what: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        added.set_defaults(verb=verb)
        return added

    listing = add("recipes", list_recipes, "list the recipes that come with the launcher")
    listing.add_argument("--json", action="store_true", help="print JSON")

    checking = add("validate", validate, "check a recipe and show all its errors at once")
    _recipe_arguments(checking)
    checking.add_argument("--json", action="store_true", help="print the resolved recipe as JSON")

    describing = add("schema", schema, "print the JSON Schema of recipes or profiles, for editors to complete them")
    describing.add_argument(
        "of", nargs="?", choices=("recipe", "cluster"), default="recipe", help="recipes (the default) or profiles"
    )

    planning = add("plan", plan, "work out batches, steps and weights without starting anything")
    _recipe_arguments(planning)
    planning.add_argument("--json", action="store_true", help="print JSON")

    preparing = add("prepare", prepare, "tokenise a recipe's training rows once, in parallel, for many runs")
    _recipe_arguments(preparing)
    preparing.add_argument("--to", metavar="URL", required=True, help="an empty folder on a disk or in an object store")
    how = preparing.add_mutually_exclusive_group()
    how.add_argument("--shard-size", type=int, metavar="N", help="characters of text a shard (default: 16 million)")
    how.add_argument("--verify", action="store_true", help="read again every byte of what is prepared there")
    how.add_argument("--index", action="store_true", help="index Parquet files of token ids that are there already")

    running = add("run", run, "train here, and show base, tuned and classical model side by side")
    _recipe_arguments(running)
    running.add_argument(
        "--run-id",
        metavar="ID",
        help="name of the run directory (default: made from recipe and time); a run with commits goes on",
    )
    running.add_argument(
        "--takeover", action="store_true", help="the attempt that has this run has ended, though it could not say so"
    )
    running.add_argument(
        "--allow-recipe-change",
        metavar="FIELD",
        action="append",
        default=[],
        help="a field, or section, of the recipe that a run which goes on may have changed; may be given again",
    )

    predicting = add("predict", predict, "ask a run's model about texts")
    predicting.add_argument("run", metavar="RUN", help="a run directory: path, URL, or an id under ./runs")
    predicting.add_argument("texts", metavar="TEXT", nargs="+")
    predicting.add_argument("--generate", type=int, metavar="N", help="write up to N tokens freely instead")
    predicting.add_argument("--json", action="store_true", help="print JSON")

    tracking = add("track", track_sync, "upload what a run kept offline for W&B")
    tracking.add_argument("action", metavar="sync", choices=("sync",))
    tracking.add_argument("run", metavar="RUN", help="a run directory: path, URL, or an id under ./runs")
    return parser


def _recipe_arguments(parser: argparse.ArgumentParser) -> None:
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
    recipe, _ = _load(chosen)
    print(recipe.model_dump_json(indent=1) if chosen.json else f"{recipe.name}: valid, digest {recipe.digest[:12]}")
    return 0


def schema(chosen: argparse.Namespace) -> int:
    from launcher.cluster.profile import Local
    from launcher.recipe.json_schema import profile_schema, recipe_schema

    print(json.dumps(recipe_schema() if chosen.of == "recipe" else profile_schema(Local), indent=1))
    return 0


def plan(chosen: argparse.Namespace) -> int:
    from launcher.plan.plan import plan_json, plan_lines
    from launcher.plan.preview import preview

    made = preview(*_load(chosen)).plan
    print(plan_json(made) if chosen.json else "\n".join(plan_lines(made)))
    return 0


def run(chosen: argparse.Namespace) -> int:
    recipe, profile = _load(chosen)
    from rich.console import Console

    from launcher.train.run import Options, run_recipe

    options = Options(chosen.run_id, chosen.takeover, tuple(chosen.allow_recipe_change))
    return run_recipe(recipe, profile, options, Console())


def prepare(chosen: argparse.Namespace) -> int:
    recipe, profile = _load(chosen)
    from rich.console import Console

    from launcher.data.prepared.work import Sizes
    from launcher.train.prepare_data import index_recipe, prepare_recipe, verify_recipe

    if chosen.verify:
        return verify_recipe(recipe, chosen.to, Console())
    if chosen.index:
        return index_recipe(recipe, chosen.to, Console())
    sizes = Sizes() if chosen.shard_size is None else Sizes(chosen.shard_size)
    return prepare_recipe(recipe, profile, chosen.to, sizes, Console())


def _load(chosen: argparse.Namespace) -> tuple["Recipe", "Local"]:
    from launcher.cluster.load import load_profile, split_overrides
    from launcher.recipe.load import load_recipe

    recipe_overrides, profile_overrides = split_overrides(chosen.overrides)
    return load_recipe(chosen.recipe, recipe_overrides), load_profile(chosen.cluster, profile_overrides)


def track_sync(chosen: argparse.Namespace) -> int:
    from launcher.storage.runs import find_run
    from launcher.track.sync import sync_wandb

    print(f"uploaded {sync_wandb(find_run(chosen.run))}")
    return 0


def predict(chosen: argparse.Namespace) -> int:
    from launcher.cluster.machine import this_machine
    from launcher.model.quiet import quiet_libraries

    quiet_libraries("cuda" if this_machine().gpus else "cpu")
    from launcher.evaluate.predict import classify_texts, generate_texts
    from launcher.evaluate.trained import load_trained

    with load_trained(chosen.run) as trained:
        if chosen.generate is None:
            answers = classify_texts(trained, chosen.texts)
        else:
            answers = generate_texts(trained, chosen.texts, chosen.generate)
    if chosen.json:
        print(json.dumps([dataclasses.asdict(answer) for answer in answers], indent=1, ensure_ascii=False))
        return 0
    for each in answers:
        print(each.text)
        for name, said in (("base", each.base), ("tuned", each.tuned)):
            shares = "  ".join(f"{label} {share:.3f}" for label, share in said.probabilities.items())
            print(f"  {name:<6} {said.answer}" + (f"  ({shares})" if shares else ""))
    return 0
