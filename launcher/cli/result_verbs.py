"""Verbs that use what a run left."""

import argparse
import dataclasses
import json

from launcher.cli.arguments import RUN_HELP, Verbs, add_json, add_run, tell


def add_verbs(verbs: Verbs) -> None:
    listing_commits = verbs.add("checkpoints", checkpoints, "list a run's attempts and commits")
    add_run(listing_commits)
    listing_commits.add_argument(
        "--verify", action="store_true", help="read every byte again, and prove that each document was consumed once"
    )
    add_json(listing_commits)

    exporting = verbs.add("export", export, "store what a run trained for transformers and peft to load")
    add_run(exporting)
    exporting.add_argument(
        "--commit", metavar="STEP", type=int, help="what was trained after this step (default: in the end, or so far)"
    )
    exporting.add_argument("--merge", action="store_true", help="make one model of base and adapter, in fp32")
    exporting.add_argument("--to", metavar="URL", required=True, help="an empty folder on a disk or in an object store")

    predicting = verbs.add("predict", predict, "ask a run's model about texts")
    add_run(predicting)
    predicting.add_argument("texts", metavar="TEXT", nargs="+")
    predicting.add_argument("--generate", type=int, metavar="N", help="write up to N tokens freely instead")
    add_json(predicting)

    evaluating = verbs.add("evaluate", evaluate, "score a run's base and tuned model, or a model, on test rows")
    evaluating.add_argument("run", metavar="RUN|MODEL", help=f"{RUN_HELP}; with --recipe a folder, URL or hub id")
    evaluating.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", default=[], help="other rows, such as data.test.url=more.csv"
    )
    evaluating.add_argument("--recipe", metavar="RECIPE", help="score a model or adapter on this recipe's test rows")
    evaluating.add_argument("--limit", type=int, metavar="N", help="take the first N test rows only")
    evaluating.add_argument("--generate", type=int, metavar="N", help="let it write too, up to N tokens a row")
    evaluating.add_argument("--to", metavar="FILE", help="keep what was written, a JSON object a line")
    add_json(evaluating)

    comparing = verbs.add("compare", compare, "show runs side by side: scores with intervals, speed, memory, size")
    comparing.add_argument("runs", metavar="RUN", nargs="+", help=RUN_HELP)
    add_json(comparing)

    reporting = verbs.add("report", report, "write what a run did and learnt as one HTML file")
    add_run(reporting)
    reporting.add_argument("--to", metavar="FILE", help="a file here (default: report.html in the run directory)")
    reporting.add_argument("--png", metavar="FOLDER", help="write the figures there as pictures too")

    tracking = verbs.add("track", track_sync, "upload what a run kept offline for W&B")
    tracking.add_argument("action", metavar="sync", choices=("sync",))
    add_run(tracking)


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
    done = exporting.export(wanted, tell)
    print(f"exported  {done.kind}, {done.size:,} bytes, to {done.place}")
    print(f"checked   every tensor, and logits: {done.difference:.1e} of the largest apart")
    if done.rounding:
        print(f"rounding  logits are {done.rounding:.1e} of the largest apart from those of the base in few bits")
    return 0


def predict(chosen: argparse.Namespace) -> int:
    from launcher.cluster.machine import this_machine
    from launcher.model.quiet import quiet_libraries

    quiet_libraries("cuda" if this_machine().gpus else "cpu")
    from launcher.evaluate.predict import classify_texts, generate_texts
    from launcher.evaluate.trained import load_trained

    with load_trained(chosen.run, tell) as trained:
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
        found = evaluate_run(chosen.run, chosen.overrides, how, tell)
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


def track_sync(chosen: argparse.Namespace) -> int:
    from launcher.storage.runs import find_run
    from launcher.track.sync import sync_wandb

    print(f"uploaded {sync_wandb(find_run(chosen.run))}")
    return 0
