"""The verb that ends a run in good order, wherever it is."""

import argparse

from launcher.cli.arguments import Verbs, add_run, tell


def add_verbs(verbs: Verbs) -> None:
    stopping = verbs.add("stop", stop, "ask the attempt that has a run to commit and to end, and wait for it")
    add_run(stopping)
    stopping.add_argument(
        "--wait", metavar="SECONDS", type=float, default=600.0, help="for the attempt to close (default: 600)"
    )


def stop(chosen: argparse.Namespace) -> int:
    from launcher.backends.submitted import end_waiting
    from launcher.interrupt.stop import ask_to_stop
    from launcher.storage.runs import find_run

    store = find_run(chosen.run)
    print(end_waiting(store) or ask_to_stop(store, tell, chosen.wait))
    return 0
