"""Shipped recipes on real data with a real pretrained Llama: what is learnt shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHIPPED = ["stories260k/financial-phrasebank-qlora", "stories260k/sst2-classification-lora"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", SHIPPED)
def test_base_and_tuned_model_differ_beyond_chance(recipe: str, shared: Path, tmp_path: Path) -> None:
    # the recipes' own paths stand beside the repository, as ../shared
    (tmp_path / "shared").symlink_to(shared)
    folder = tmp_path / "work"
    folder.mkdir()
    command = [sys.executable, "-m", "launcher", "run", recipe, "--run-id", "run"]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "runs/run/evaluation/metrics.json").read_text())
    assert metrics["tuned"]["accuracy_low"] > metrics["base"]["accuracy_high"]
