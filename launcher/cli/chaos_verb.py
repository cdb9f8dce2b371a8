"""The verb that disturbs a run on purpose."""

import argparse

from launcher.cli.arguments import Verbs, add_recipe, load

NAMES = ("kill-worker", "kill-driver", "preempt", "time-limit", "kill-uploader", "stall", "storage")
FAULTS = "kill-worker,kill-driver,preempt"


def add_verbs(verbs: Verbs) -> None:
    rehearsing = verbs.add(
        "chaos", chaos, "run a recipe here with faults and without, and see whether both end in the same weights"
    )
    add_recipe(rehearsing)
    rehearsing.add_argument(
        "--faults",
        metavar="LIST",
        default=FAULTS,
        help=f"of {', '.join(NAMES)}, with commas (default: {FAULTS})",
    )
    rehearsing.add_argument("--seed", type=int, metavar="N", default=0, help="chooses times and victims (default: 0)")
    rehearsing.add_argument("--count", type=int, metavar="K", default=3, help="faults in all (default: 3)")


def chaos(chosen: argparse.Namespace) -> int:
    recipe, profile = load(chosen)
    from launcher.chaos.rehearse import Asked, rehearse

    faults = [each for each in chosen.faults.split(",") if each]
    asked = Asked(chosen.recipe, chosen.overrides, chosen.cluster, faults, chosen.count, chosen.seed)
    return rehearse(asked, recipe, profile, lambda line: print(line, flush=True))
