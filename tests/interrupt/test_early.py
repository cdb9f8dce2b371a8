"""A signal before the run has handlers of its own."""

import signal
import subprocess
import sys

import pytest

from launcher.errors import EXIT_AGAIN

WAITING = """
import sys
from launcher import __main__

class Imports:
    def find_spec(self, name, *_):
        if name == "launcher.cli.main":
            print("importing", flush=True)
            sys.stdin.read()

sys.meta_path.insert(0, Imports())
__main__.main()
"""
"""The command, which waits for the end of its input where it would import its verbs."""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGUSR2])
def test_a_run_that_is_told_to_end_while_it_is_imported_asks_to_be_started_again(told: signal.Signals) -> None:
    words = [sys.executable, "-c", WAITING, "run", "recipe.yaml"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "importing\n"
        started.send_signal(told)
        out, err = started.communicate()
    assert (started.returncode, out) == (EXIT_AGAIN, "")
    assert err == f"interrupted outside of the run ({told.name}): give the same command again\n"


def test_a_run_whose_work_goes_on_elsewhere_ends_at_once() -> None:
    """Slurm's step goes on without the command that started it, and needs what that would remove."""
    code = "import signal; from launcher.interrupt.early import *; end_early(); end_at_once(); signal.raise_signal(%d)"
    for told in (signal.SIGTERM, signal.SIGUSR2):
        assert subprocess.run([sys.executable, "-c", code % told], check=False).returncode == -told


def test_other_verbs_end_as_ever() -> None:
    words = [sys.executable, "-c", WAITING, "recipes"]
    with subprocess.Popen(words, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        started.terminate()
        started.communicate()
    assert started.returncode == -signal.SIGTERM
