"""A disk for temporary files that takes no more."""

from pathlib import Path

import pytest

from launcher.data.encode import Example
from launcher.data.rows import Row, Rows
from launcher.data.table import write_examples
from launcher.errors import LauncherError
from tests.storage.test_store_full import ROOM, little_room

LINE = r"^\S+: no room for temporary files \(.*File too large\); make room there, or set TMPDIR to a larger folder$"


def test_rows_that_find_no_room_are_told_in_one_line() -> None:
    rows = [Row({"text": "x" * ROOM}, None)] * 100
    with pytest.raises(LauncherError, match=LINE), little_room():
        Rows.of(rows)


def test_examples_that_find_no_room_are_told_in_one_line(tmp_path: Path) -> None:
    examples = [Example(list(range(ROOM)), list(range(ROOM)), truncated=False)] * 10
    with pytest.raises(LauncherError, match=LINE), little_room():
        write_examples(tmp_path / "examples.arrow", examples)
