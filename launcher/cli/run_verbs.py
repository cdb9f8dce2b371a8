"""Verbs that do a recipe's work on this machine."""

import argparse
import sys

from launcher.cli.arguments import Verbs, add_recipe, load
from launcher.errors import InvalidInput


def add_verbs(verbs: Verbs) -> None:
    preparing = verbs.add("prepare", prepare, "tokenise a recipe's training rows once, in parallel, for many runs")
    add_recipe(preparing)
    preparing.add_argument("--to", metavar="URL", required=True, help="an empty folder on a disk or in an object store")
    how = preparing.add_mutually_exclusive_group()
    how.add_argument("--shard-size", type=int, metavar="N", help="characters of text a shard (default: 16 million)")
    how.add_argument("--verify", action="store_true", help="read again every byte of what is prepared there")
    how.add_argument("--index", action="store_true", help="index Parquet files of token ids that are there already")

    running = verbs.add("run", run, "train here, and show base, tuned and classical model side by side")
    add_recipe(running)
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
    running.add_argument(
        "--dry-run",
        action="store_true",
        help="rehearse all of it here in under a minute, with a small model and a few rows; with --cluster also what "
        "would be submitted",
    )


def prepare(chosen: argparse.Namespace) -> int:
    recipe, profile = load(chosen)
    from rich.console import Console

    from launcher.data.prepared.work import Sizes
    from launcher.train.prepare_data import index_recipe, prepare_recipe, verify_recipe

    if chosen.verify:
        return verify_recipe(recipe, chosen.to, Console())
    if chosen.index:
        return index_recipe(recipe, chosen.to, Console())
    sizes = Sizes() if chosen.shard_size is None else Sizes(chosen.shard_size)
    return prepare_recipe(recipe, profile, chosen.to, sizes, Console())


def run(chosen: argparse.Namespace) -> int:
    recipe, profile = load(chosen)
    from rich.console import Console

    if chosen.dry_run:
        _refuse_run_flags(chosen)
        from launcher.dryrun.rehearse import dry_run

        return dry_run(
            recipe, profile, Console(file=sys.stdout)
        )  # this very stream: what else is printed goes elsewhere
    from launcher.backends.slurm.allocation import in_allocation, run_in_allocation
    from launcher.interrupt.early import end_at_once
    from launcher.train.options import Options

    options = Options(chosen.run_id, chosen.takeover, tuple(chosen.allow_recipe_change))
    if in_allocation(profile):
        end_at_once()
        return run_in_allocation(profile, recipe, "run", options.flags, Console().width)
    from launcher.train.run import run_recipe

    return run_recipe(recipe, profile, options, Console())


def _refuse_run_flags(chosen: argparse.Namespace) -> None:
    flags = {
        "--run-id": chosen.run_id,
        "--takeover": chosen.takeover,
        "--allow-recipe-change": chosen.allow_recipe_change,
    }
    for flag, value in flags.items():
        if value:
            raise InvalidInput(f"{flag}: a dry run is a run of its own, which touches no other; leave it out")
