"""Verbs that use what a run left."""

import argparse
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
    exporting.add_argument(
        "--to", metavar="URL", required=True, help="an empty folder on a disk or in an object store, or hf://org/name"
    )

    comparing = verbs.add("compare", compare, "show runs side by side: scores with intervals, speed, memory, size")
    comparing.add_argument("runs", metavar="RUN", nargs="+", help=f"{RUN_HELP}; 'NAME-*' for all runs of a sweep")
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
