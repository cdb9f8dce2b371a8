"""From words to a verb, and from what it raises to an exit code."""

import argparse
import os
import sys
from collections.abc import Sequence

from launcher import __version__
from launcher.cli import (
    ask_verbs,
    chaos_verb,
    cluster_verbs,
    doctor_verb,
    recipe_verbs,
    result_verbs,
    run_verbs,
    stop_verb,
)
from launcher.cli.arguments import Verb, Verbs
from launcher.errors import LauncherError

GROUPS = (recipe_verbs, run_verbs, cluster_verbs, stop_verb, ask_verbs, result_verbs, chaos_verb, doctor_verb)


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
    """Flags and other words in any order, which argparse alone does not take below a verb."""
    parser = make_parser()
    chosen, rest = parser.parse_known_args(arguments)
    strays = [word for word in rest if word.startswith("-") or not ("texts" in chosen or _overrides(word, chosen))]
    if strays:
        parser.error(f"unrecognized arguments: {' '.join(strays)}")
    if rest:
        words = chosen.texts if "texts" in chosen else chosen.overrides
        words += rest
    return chosen


def _overrides(word: str, chosen: argparse.Namespace) -> bool:
    return "=" in word and "overrides" in chosen


def make_parser() -> argparse.ArgumentParser:
    """The verbs and their flags."""
    parser = argparse.ArgumentParser(
        prog="launcher", description="Fine-tune Llama-family models on GPU clusters and never lose a run."
    )
    parser.add_argument("--version", action="version", version=f"launcher {__version__}")
    verbs = Verbs(parser.add_subparsers(title="verbs", required=True, metavar="VERB"))
    for group in GROUPS:
        group.add_verbs(verbs)
    return parser
