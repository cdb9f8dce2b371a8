"""Liger's kernels compute what the model computes without them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.errors import InvalidInput
from launcher.model.liger import check_liger
from launcher.recipe.liger import LIGER_MODELS, liger_model_refusal, liger_refusal

GPU_EXTRA = Path(__file__).parents[2] / "build" / "gpu"
"""Where `make e2e` installs what the extra `gpu` brings, apart from what is imported at every start."""


@pytest.mark.slow
def test_each_model_computes_the_same_with_them() -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": f"{Path.cwd()}:{GPU_EXTRA}"}
    command = [sys.executable, "-m", "tests.model.liger_agrees"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    told = {name: (float(apart), int(patched)) for name, apart, patched in map(str.split, done.stdout.splitlines())}
    assert set(told) == LIGER_MODELS
    assert all(0 < apart < 1e-5 and patched >= 2 for apart, patched in told.values())


def test_they_are_for_gpus_and_for_the_models_they_were_held_against() -> None:
    assert liger_refusal("cuda") is None
    assert "say training.use_liger_kernel: false" in str(liger_refusal("cpu"))
    assert liger_model_refusal("llama") is None
    assert "not with bert; say false" in str(liger_model_refusal("bert"))


def test_where_they_are_not_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.model.liger.find_spec", lambda name: None)
    check_liger(asked=False)
    with pytest.raises(InvalidInput, match=r"liger-kernel is not installed; pip install 'llama-launcher\[gpu\]'"):
        check_liger(asked=True)
