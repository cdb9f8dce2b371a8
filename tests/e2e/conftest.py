from pathlib import Path

import pytest
import yaml

from tests.e2e.command import Bench
from tests.small import SMALL


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Bench:
    """A folder with `small.yaml`, which trains a model in seconds."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return Bench(folder, shared)
