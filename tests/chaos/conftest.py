"""What faults there were, in a table at the end; and with `CHAOS_LEDGER=FILE`, going on where an earlier call ended."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

DIRTY = "-dirty"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has passed already, with the very same commit of the code."""
    if _code().endswith(DIRTY):
        return
    passed = {each["test"] for each in _ledger() if each["code"] == _code()}
    done = [item for item in items if item.nodeid in passed]
    items[:] = [item for item in items if item.nodeid not in passed]
    config.hook.pytest_deselected(items=done)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    file = _file()
    if file is None or report.when != "call" or not report.passed:
        return
    entry = {"code": _code(), "test": report.nodeid, "seconds": report.duration}
    entry |= {"faults": dict(report.user_properties).get("faults", [])}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as ledger:
        print(json.dumps(entry), file=ledger)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    found = [each for each in _ledger() if each["code"] == _code()]
    if not found:
        return
    waits: dict[str, list[float]] = {}
    for kind, wait in (fault for each in found for fault in each["faults"]):
        waits.setdefault(kind, [])
        waits[kind] += [] if wait == "-" else [float(wait.split()[0])]
    terminalreporter.section("faults")
    for kind, counted in _counts(found).items():
        seen = waits[kind]
        told = f"{median(seen):.1f} s [{min(seen):.1f}, {max(seen):.1f}]" if seen else "-"
        terminalreporter.line(f"{kind:<20} {counted:>4}   to the next step: {told}")
    terminalreporter.line(f"{'in all':<20} {sum(_counts(found).values()):>4}   in {len(found)} tests")


def _counts(found: list[dict[str, Any]]) -> dict[str, int]:
    kinds = [kind for each in found for kind, _ in each["faults"]]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _ledger() -> Iterator[dict[str, Any]]:
    file = _file()
    if file is not None and file.exists():
        yield from map(json.loads, file.read_text().splitlines())


def _file() -> Path | None:
    named = os.environ.get("CHAOS_LEDGER")
    return Path(named) if named else None


def _code() -> str:
    """The commit that is tested."""
    words = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", f"--dirty={DIRTY}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
