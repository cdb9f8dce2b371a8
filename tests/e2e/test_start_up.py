"""Verbs that start nothing answer at once."""

import json
import statistics
import subprocess
import sys
import time

import pytest

from tests.e2e.command import Bench

HEAVY = ("torch", "transformers", "ray", "numpy", "fsspec")
LOOK = """
import json, sys
from launcher.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)))
"""


def seconds(bench: Bench, *words: str) -> float:
    """Median of 5."""
    took = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *words], cwd=bench.folder, env=bench.environment(), stdout=subprocess.DEVNULL, check=True
        )
        took.append(time.perf_counter() - started)
    return statistics.median(took)


@pytest.mark.parametrize("words", [("--help",), ("validate", "demo/headlines"), ("recipes",)], ids=" ".join)
def test_a_verb_that_starts_nothing_imports_nothing_heavy(words: tuple[str, ...], bench: Bench) -> None:
    command = [sys.executable, "-c", LOOK, *words]
    done = subprocess.run(
        command, cwd=bench.folder, env=bench.environment(), capture_output=True, text=True, check=True
    )
    imported = json.loads(done.stdout.splitlines()[-1])
    assert "launcher.cli" in imported
    assert [name for name in HEAVY if name in imported] == []
    above = seconds(bench, "-m", "launcher", *words) - seconds(bench, "-c", "pass")
    print(f"launcher {' '.join(words)}: {above:.3f} s above an empty Python")
