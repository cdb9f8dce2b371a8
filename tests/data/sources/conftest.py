from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.data.sources.read import read_rows
from launcher.errors import InvalidInput
from launcher.recipe.data import Source


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a file and returns its path."""

    def into(content: bytes, name: str = "rows") -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return into


@pytest.fixture
def refused() -> Callable[[Source], str]:
    """The one line that a source is refused with."""

    def read(source: Source) -> str:
        with pytest.raises(InvalidInput) as caught:
            read_rows(source)
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < 600
        return message

    return read
