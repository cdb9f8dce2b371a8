"""A disk for temporary files that takes no more."""

import pytest

from launcher.data.rows import Row, Rows
from launcher.errors import LauncherError
from tests.storage.test_store_full import ROOM, little_room

LINE = r"^\S+: no room for temporary files \(.*File too large\); make room there, or set TMPDIR to a larger folder$"


def test_rows_that_find_no_room_are_told_in_one_line() -> None:
    rows = [Row({"text": "x" * ROOM}, None)] * 100
    with pytest.raises(LauncherError, match=LINE), little_room():
        Rows.of(rows)
