"""`launcher run --dry-run` to its end: every stage of a run on this machine, and nothing is left of it."""

import re
import time
from pathlib import Path

import psutil
import pytest
import yaml

from launcher.recipe.shipped import shipped_recipes
from tests.e2e.command import Bench, Ended

STAGES = (
    *("plan", "rows", "model", "trackers", "storage"),  # and data, where rows and tokenizer are the real ones
    *("prepare", "train", "commit", "kill", "resume", "evaluate", "export", "clean up"),
)
TOGETHER = (
    ("stories260k/shakespeare-pretrain-zero3", "strategy={kind: ddp}"),  # full, text, packed, a real base and rows
    ("bert-base/imdb-lora",),  # LoRA, classification, an encoder
    ("llama3.3-70b/chat-qlora",),  # QLoRA, chat, packed, ZeRO 3
)
"""With the instruction on Slurm below, every method and task there is."""
SHIPPED = [each.reference for each in shipped_recipes()]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Bench:
    """A folder beside which the shipped recipes find their data, as ../shared, with somebody's run in it."""
    folder = tmp_path_factory.mktemp("dry")
    (folder / "shared").symlink_to(shared)
    (folder / "work" / "runs" / "mine").mkdir(parents=True)
    (folder / "work" / "runs" / "mine" / "recipe.yaml").write_text("name: mine\n")
    made = Bench(folder / "work", shared)
    built = Path.home() / ".cache" / "torch_extensions"  # DeepSpeed's operators take a minute to compile
    if built.is_dir():
        (made.home / ".cache").mkdir(parents=True)
        (made.home / ".cache" / "torch_extensions").symlink_to(built)
    return made


def kept(bench: Bench) -> set[Path]:
    """What stands where runs do, and where temporary files do."""
    return {*bench.runs.rglob("*"), *bench.temporary.glob("ll-*"), *bench.temporary.glob("dry-run-*")}


def passed(bench: Bench, *words: str) -> dict[str, str]:
    """Run it; returns what each stage says, once every one of them is ticked and nothing was seen to be left."""
    before = kept(bench)
    with bench.started("run", *words, "--dry-run") as started:
        ended = started.ended()
        psutil.wait_procs(started.processes(), timeout=10)
        assert started.processes() == []
    print(ended.out)
    assert (ended.code, ended.err) == (0, "")
    assert kept(bench) == before
    return stages(ended)


def stages(ended: Ended) -> dict[str, str]:
    found = re.findall(r"^✓ (.{9}) .{5} s  (.*)$", ended.out, re.MULTILINE)
    assert "✗" not in ended.out
    return {name.strip(): told for name, told in found}


def check_all(told: dict[str, str]) -> None:
    assert set(told) >= set(STAGES)
    assert told["commit"].startswith("step 3, ")
    assert told["kill"].endswith("which the run saw as: lost")
    story = r"from the commit of step (\d): trained on from step (\d+), and committed step \d+"
    resumed = re.fullmatch(story, told["resume"])
    assert resumed, told["resume"]
    assert int(resumed[2]) == int(resumed[1]) + 1
    assert re.search(r"loss \d+\.\d+ before, \d+\.\d+ after", told["evaluate"])
    assert told["export"].endswith("loaded back and compared")


@pytest.mark.parametrize("words", TOGETHER, ids=lambda words: words[0])
def test_a_recipe_of_each_method_and_task_passes_every_stage(words: tuple[str, ...], bench: Bench) -> None:
    check_all(passed(bench, *words))


@pytest.mark.slow
def test_with_a_profile_of_other_machines_what_would_be_submitted_is_rendered_too(bench: Bench) -> None:
    profile = {"backend": "slurm", "time": "60", "cpus_per_node": 8, "gpus_per_node": 1, "accelerator": "A100-80"}
    (bench.folder.parent / "slurm.yaml").write_text(yaml.safe_dump({**profile, "folder": "../jobs"}))
    told = passed(bench, "llama2-7b/financial-phrasebank-qlora", "--cluster", "../slurm.yaml")
    check_all(told)
    assert told["rows"].endswith("real ones of data.train")
    assert re.search(r"\d of 80\.0 GiB on each of 1 workers", told["plan"])
    assert re.match(r"\d+ lines rendered for slurm; see launcher submit --render", told["submit"])
    assert not (bench.folder.parent / "jobs").exists()


def test_ctrl_c_ends_it_and_leaves_nothing(bench: Bench) -> None:
    before = kept(bench)
    with bench.started("run", "demo/headlines", "--dry-run") as started:
        started.until_said("^✓ prepare")
        started.press_ctrl_c()
        ended = started.ended()
        psutil.wait_procs(started.processes(), timeout=10)
        assert started.processes() == []
    assert (ended.code, ended.err) == (130, "launcher: cancelled\n"), ended.out
    assert "✓ clean up" in ended.out
    assert kept(bench) == before


@pytest.mark.slow
@pytest.mark.parametrize("reference", SHIPPED)
def test_every_shipped_recipe_passes_within_a_minute(reference: str, bench: Bench) -> None:
    began = time.monotonic()
    check_all(passed(bench, reference))
    assert time.monotonic() - began < 60.0
