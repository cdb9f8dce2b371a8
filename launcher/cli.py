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
RUN_HELP = "a run directory: path, URL, or an id under ./runs"


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

    planning = add("plan", plan, "work out memory, steps, time and commits without starting anything")
    _recipe_arguments(planning)
    _plan_arguments(planning)

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

    listing_commits = add("checkpoints", checkpoints, "list a run's attempts and commits")
    listing_commits.add_argument("run", metavar="RUN", help=RUN_HELP)
    listing_commits.add_argument(
        "--verify", action="store_true", help="read every byte again, and prove that each document was consumed once"
    )
    listing_commits.add_argument("--json", action="store_true", help="print JSON")

    exporting = add("export", export, "store what a run trained for transformers and peft to load")
    exporting.add_argument("run", metavar="RUN", help=RUN_HELP)
    exporting.add_argument(
        "--commit", metavar="STEP", type=int, help="what was trained after this step (default: in the end, or so far)"
    )
    exporting.add_argument("--merge", action="store_true", help="make one model of base and adapter, in fp32")
    exporting.add_argument("--to", metavar="URL", required=True, help="an empty folder on a disk or in an object store")

    predicting = add("predict", predict, "ask a run's model about texts")
    predicting.add_argument("run", metavar="RUN", help=RUN_HELP)
    predicting.add_argument("texts", metavar="TEXT", nargs="+")
    predicting.add_argument("--generate", type=int, metavar="N", help="write up to N tokens freely instead")
    predicting.add_argument("--json", action="store_true", help="print JSON")

    _result_verbs(add)

    tracking = add("track", track_sync, "upload what a run kept offline for W&B")
    tracking.add_argument("action", metavar="sync", choices=("sync",))
    tracking.add_argument("run", metavar="RUN", help=RUN_HELP)
    return parser


def _plan_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gpus", type=int, metavar="N", help="plan for N GPUs that are not here (default: 8)")
    parser.add_argument("--accelerator", metavar="NAME", help="which, such as H100, A100-40 or L4 (default: H100)")
    parser.add_argument("--price", type=float, metavar="AMOUNT", help="of an accelerator's hour, in your currency")
    parser.add_argument("--sweep-gpus", metavar="8,16,...,1024", help="plan for each number of accelerators")
    parser.add_argument("--plot", metavar="FILE", help="draw the sweep, as PNG, SVG or PDF; needs matplotlib")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _result_verbs(add: Callable[[str, Verb, str], argparse.ArgumentParser]) -> None:
    evaluating = add("evaluate", evaluate, "score a run's base and tuned model, or a model, on test rows")
    evaluating.add_argument("run", metavar="RUN|MODEL", help=f"{RUN_HELP}; with --recipe a folder, URL or hub id")
    evaluating.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", default=[], help="other rows, such as data.test.url=more.csv"
    )
    evaluating.add_argument("--recipe", metavar="RECIPE", help="score a model or adapter on this recipe's test rows")
    evaluating.add_argument("--limit", type=int, metavar="N", help="take the first N test rows only")
    evaluating.add_argument("--generate", type=int, metavar="N", help="let it write too, up to N tokens a row")
    evaluating.add_argument("--to", metavar="FILE", help="keep what was written, a JSON object a line")
    evaluating.add_argument("--json", action="store_true", help="print JSON")

    comparing = add("compare", compare, "show runs side by side: scores with intervals, speed, memory, size")
    comparing.add_argument("runs", metavar="RUN", nargs="+", help=RUN_HELP)
    comparing.add_argument("--json", action="store_true", help="print JSON")

    reporting = add("report", report, "write what a run did and learnt as one HTML file")
    reporting.add_argument("run", metavar="RUN", help=RUN_HELP)
    reporting.add_argument("--to", metavar="FILE", help="a file here (default: report.html in the run directory)")
    reporting.add_argument("--png", metavar="FOLDER", help="write the figures there as pictures too")


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
    from launcher.plan.verb import Asked, plan_recipe

    asked = Asked(chosen.gpus, chosen.accelerator, chosen.price, chosen.sweep_gpus, chosen.plot)
    told, code = plan_recipe(*_load(chosen), asked, as_json=chosen.json)
    print(told)
    return code


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


def checkpoints(chosen: argparse.Namespace) -> int:
    from launcher.ledger.ledger import ledger_json, ledger_lines, read_ledger
    from launcher.storage.runs import find_run

    ledger = read_ledger(find_run(chosen.run), verify=chosen.verify)
    print(ledger_json(ledger) if chosen.json else "\n".join(ledger_lines(ledger)))
    return 0 if ledger.sound else 1


def export(chosen: argparse.Namespace) -> int:
    from launcher.model.quiet import quiet_libraries

    quiet_libraries("cpu")
    from launcher.export import export as exporting

    wanted = exporting.Wanted(chosen.run, chosen.to, chosen.commit, chosen.merge)
    done = exporting.export(wanted, _tell)
    print(f"exported  {done.kind}, {done.size:,} bytes, to {done.place}")
    print(f"checked   every tensor, and logits: {done.difference:.1e} of the largest apart")
    if done.rounding:
        print(f"rounding  logits are {done.rounding:.1e} of the largest apart from those of the base in few bits")
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def evaluate(chosen: argparse.Namespace) -> int:
    from launcher.cluster.machine import this_machine
    from launcher.model.quiet import quiet_libraries
    from launcher.recipe.load import load_recipe

    recipe = None if chosen.recipe is None else load_recipe(chosen.recipe, chosen.overrides)
    quiet_libraries("cuda" if this_machine().gpus else "cpu")
    from launcher.evaluate.rescore import How, evaluate_model, evaluate_run
    from launcher.evaluate.rescore_output import keep_generations, show

    how = How(chosen.limit, chosen.generate)
    if recipe is None:
        found = evaluate_run(chosen.run, chosen.overrides, how, _tell)
    else:
        found = evaluate_model(chosen.run, recipe, how)
    if chosen.to is not None:
        keep_generations(found, chosen.to)
    if chosen.json:
        print(json.dumps(found.to_dict(), indent=1))
    else:
        show(found)
    return 0


def compare(chosen: argparse.Namespace) -> int:
    from launcher.report.compare import comparison_table, summaries

    found = summaries(chosen.runs)
    if chosen.json:
        print(json.dumps([each.to_dict() for each in found], indent=1))
        return 0
    from rich.console import Console

    console = Console()
    console.print(comparison_table(found, console.width))
    return 0


def report(chosen: argparse.Namespace) -> int:
    from launcher.report.write import write_report

    for place in write_report(chosen.run, chosen.to, chosen.png):
        print(place)
    return 0


def predict(chosen: argparse.Namespace) -> int:
    from launcher.cluster.machine import this_machine
    from launcher.model.quiet import quiet_libraries

    quiet_libraries("cuda" if this_machine().gpus else "cpu")
    from launcher.evaluate.predict import classify_texts, generate_texts
    from launcher.evaluate.trained import load_trained

    with load_trained(chosen.run, _tell) as trained:
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
