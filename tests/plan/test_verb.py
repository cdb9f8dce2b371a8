"""`launcher plan` as it is called."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from launcher.cli import main
from launcher.cluster.machine import this_machine

LLAMA = {
    "name": "elsewhere",
    "model": {"kind": "pretrained", "name_or_path": "meta-llama/Llama-2-7b-hf"},
    "method": {"kind": "full"},
    "task": {"kind": "text"},
    "strategy": {"kind": "deepspeed", "zero_stage": 2},
    "training": {
        "precision": "bf16",
        "packing": True,
        "per_device_train_batch_size": 1,
        "max_length": 2048,
        "max_steps": 9,
    },
    "evaluation": {"batch_size": 1},
}


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"text": f"row {number}"}) for number in range(20)))
    data = {"train": {"kind": "jsonl", "url": str(rows)}, "split": {"test_per_class": 2}}
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**LLAMA, "data": data}))
    return str(path)


def test_what_fits_ends_with_0_and_what_does_not_with_3_and_a_mend(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", recipe, "--gpus", "64", "--price", "2"]) == 0
    told = capsys.readouterr().out
    assert "of 79.65 GiB a worker on H100" in told
    assert "at the price given" in told
    assert main(["plan", recipe, "--gpus", "2", "--accelerator", "A100-40"]) == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("the nearest that fits, with ")
    assert "strategy.zero_stage=3" in last or "strategy.offload_optimizer=true" in last


def test_the_mend_that_is_told_can_be_pasted(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    machines = ["--gpus", "2", "--accelerator", "A100-40"]
    assert main(["plan", recipe, *machines]) == 3
    changes = capsys.readouterr().out.splitlines()[-1].rpartition(": ")[2].split()
    assert main(["plan", recipe, *machines, *changes]) == 0


def test_json_holds_every_term_in_bytes(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", recipe, "--gpus", "8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    at_worst = [t for t in told["memory"]["terms"] if told["memory"]["worst"] in t["phases"] and not t["host"]]
    assert sum(term["size"] for term in at_worst) == told["memory"]["peak"]
    assert told["saves"]["size"] == 12 * told["parameters"]["trainable"]
    assert told["accelerator"] == "H100"


def test_a_sweep_is_a_table_or_json(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", recipe, "--sweep-gpus", "8,16,...,32"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4
    assert main(["plan", recipe, "--sweep-gpus", "8,16,...,32", "--json"]) == 0
    assert [point["gpus"] for point in json.loads(capsys.readouterr().out)] == [8, 16, 32]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--gpus", "0"], "--gpus: expected 1 or more"),
        (["--accelerator", "X"], "--accelerator: X is not known"),
        (["--plot", "x.png"], "--plot: there is nothing to draw"),
        (["--rows", "0"], "--rows: expected 1 or more"),
        (["--sweep-gpus", "8", "--plot", "/nowhere/x.png"], "--plot: /nowhere/x.png cannot be written: No such file"),
    ],
)
def test_wrong_flags_are_told_in_one_line(
    recipe: str, flags: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", recipe, *flags]) == 2
    assert capsys.readouterr().err.startswith(f"launcher: {told}")


def test_a_sweep_is_drawn_as_a_picture(recipe: str, tmp_path: Path) -> None:
    picture = tmp_path / "sweep.png"
    assert main(["plan", recipe, "--sweep-gpus", "8,16,...,64", "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_only_gpus_can_is_refused_here_with_the_way_to_plan_elsewhere(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paged = ["plan", recipe, "training.optim=paged_adamw_32bit", "strategy.zero_stage=0", "cluster.accelerator=cpu"]
    assert main(paged) == 2
    assert capsys.readouterr().err.endswith("or plan for other machines: --gpus 8 --accelerator H100\n")
    assert main([*paged, "--gpus", "64", "--accelerator", "B200"]) == 0


def test_the_profiles_price_counts_until_another_is_given(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    def cost(*more: str) -> float:
        assert main(["plan", recipe, "--gpus", "64", "--json", *more]) == 0
        return float(json.loads(capsys.readouterr().out)["speed"]["cost"])

    assert cost("cluster.price_per_gpu_hour=2.5") == cost("--price", "2.5")
    assert cost("cluster.price_per_gpu_hour=9", "--price", "2.5") == cost("--price", "2.5")


def test_what_a_recipe_leaves_open_is_settled_in_plan_and_sweep(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    left = ["strategy.kind=auto", "training.micro_batch=auto", "training.global_batch_size=128", "--json"]
    assert main(["plan", recipe, "--gpus", "64", *left]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["plan", recipe, "--sweep-gpus", "8,64", *left]) == 0
    points = json.loads(capsys.readouterr().out)
    assert told["memory"]["fits"]
    assert (points[-1]["strategy"], points[-1]["micro_batch"]) == (told["strategy"], told["batches"]["micro_batch"])
    assert all(point["strategy"] != "auto" for point in points)


def test_a_plan_imports_no_torch_and_asks_no_network(recipe: str) -> None:
    code = (
        "import sys, socket; from launcher.cli import main\n"
        "socket.socket.connect = None\n"
        f"code = main(['plan', {recipe!r}, '--gpus', '64'])\n"
        "heavy = {'torch', 'transformers', 'ray', 'deepspeed', 'pandas', 'datasets'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_machine_knows_its_memory() -> None:
    assert this_machine().memory > 2**28
