"""DeepSpeed's operator, compiled once: ranks take the file, and ask neither ninja nor a lock."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.train.engines.ops import OPERATOR, STAMP, build_ops, ops_are_built

LOAD = """
from launcher.train.engines.ops import choose_accelerator, use_built_ops
choose_accelerator("cpu")
use_built_ops()
from deepspeed.ops.op_builder.cpu import ShareMemCommBuilder
print(ShareMemCommBuilder().load().__file__)
"""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder of the operator, in which another process is, or was when it was killed."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    build_ops("cpu")
    from torch.utils.cpp_extension import _get_build_directory

    folder = tmp_path / OPERATOR
    shutil.copytree(_get_build_directory(OPERATOR, verbose=False), folder)
    (folder / "lock").touch()
    return folder


def loaded(built: Path, seconds: float) -> str:
    environment = {**os.environ, "TORCH_EXTENSIONS_DIR": str(built.parent)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, timeout=seconds, check=True
    )
    return done.stdout.splitlines()[-1]


def test_a_rank_does_not_wait_for_the_lock_of_another_builder(built: Path) -> None:
    assert loaded(built, 600) == str(built / f"{OPERATOR}.so")
    assert (built / "lock").exists(), "it is somebody else's"


def test_an_operator_of_another_time_or_without_its_stamp_is_not_taken(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(built.parent))
    assert ops_are_built()
    stamp = (built / STAMP).read_bytes()
    (built / STAMP).unlink()
    assert not ops_are_built()
    (built / STAMP).write_bytes(b"\xff" + stamp[:40])
    assert not ops_are_built(), "a broken stamp"
    (built / STAMP).write_bytes(stamp)
    os.utime(built / f"{OPERATOR}.so", ns=(1, 1))
    assert not ops_are_built()
