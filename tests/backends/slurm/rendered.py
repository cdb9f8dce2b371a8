"""The submissions whose batch scripts are pinned."""

from pathlib import Path
from typing import Any

from launcher.backends.slurm.render import render
from launcher.backends.submission import Submission
from launcher.cluster.slurm import Slurm
from launcher.recipe.recipe import Recipe
from tests.conftest import RECIPE

GOLDEN = Path(__file__).with_name("golden")
GPU = {"partition": "gpu", "gpus_per_node": 8, "cpus_per_node": 96, "gres_type": "h100", "time": "1-00:00:00"}
CASES: dict[str, dict[str, Any]] = {
    "one-node": GPU,
    "four-nodes": {
        **GPU,
        "nodes": 4,
        "spares": 1,
        "exclusive": True,
        "environment": {"NCCL_DEBUG": "WARN", "NOTE": "it's $5 `id`"},
        "secrets": ["WANDB_API_KEY"],
    },
    "container-pyxis": {
        **GPU,
        "container": {"kind": "pyxis", "image": "registry.example/launcher:1", "mounts": ["/data:/data"]},
    },
    "container-apptainer": {
        **GPU,
        "container": {"kind": "apptainer", "image": "/images/launcher one.sif", "mounts": ["/data:/data"]},
        "requeue": False,
    },
    "constraint": {
        **GPU,
        "nodes": 2,
        "constraint": "h100&ib",
        "exclude": "g[7-8]",
        "account": "mine",
        "qos": "normal",
        "memory": "500G",
        "options": ["--licenses=fs:1", "--mail-type=FAIL"],
        "setup": ["module load cuda/12.4", 'source "$HOME/venv/bin/activate"'],
        "lead_seconds": 300.0,
    },
    "sweep": {**GPU, "nodes": 2},
    "no-gpu": {"nodes": 2, "cpus_per_node": 2, "time": "30"},
}
ELEMENTS = {"sweep": 3}


def submission(name: str, **fields: Any) -> Submission:
    values = {
        "backend": "slurm",
        "folder": "/home/me/.llama-launcher",
        "storage": "/data/runs",
        **CASES[name],
        **fields,
    }
    run = "moods-1-%a" if name in ELEMENTS else "moods-1"
    recipe = Recipe.model_validate(RECIPE)
    return Submission(run, f"/data/runs/{run}", recipe, Slurm.model_validate(values), 1, lead_s=33.5)


def rendered(name: str, **fields: Any) -> str:
    return render(submission(name, **fields), ELEMENTS.get(name))
