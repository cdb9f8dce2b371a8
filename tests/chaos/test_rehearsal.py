"""`launcher chaos` itself: many faults of every kind in one run, which ends as the undisturbed one."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from launcher.chaos.faults import FAULTS
from tests.e2e.command import until
from tests.faults.recipes import write_recipes
from tests.faults.trial import StoreBench

LONGEST_S = 1500.0
QUICK = ("kill-worker", "kill-uploader", "storage", "preempt")
ZERO = "strategy={kind: deepspeed, zero_stage: %d}"


@dataclass(frozen=True)
class Case:
    """What is rehearsed, and with how many faults."""

    recipe: str
    overrides: tuple[str, ...]
    faults: tuple[str, ...]
    count: int
    seed: int


CASES = {
    "packed text, DDP on 2": Case("text.yaml", ("cluster.workers=2",), tuple(FAULTS), 14, 1),
    "packed text, DDP on 1": Case("text.yaml", ("cluster.workers=1",), QUICK, 20, 2),
    "packed text, ZeRO 2 on 2": Case("text.yaml", ("cluster.workers=2", ZERO % 2), QUICK, 20, 3),
    "packed text, ZeRO 3 on 2": Case("text.yaml", ("cluster.workers=2", ZERO % 3), tuple(FAULTS), 14, 4),
    "LoRA with dropout, DDP on 3": Case("answers.yaml", ("cluster.workers=3",), QUICK, 20, 5),
    "LoRA in bf16, DDP on 2": Case("answers.yaml", ("cluster.workers=2", "training.precision=bf16"), QUICK, 20, 6),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_run_with_many_faults_ends_in_the_weights_of_the_undisturbed_one(
    name: str, tmp_path: Path, shared: Path, record_property: Callable[[str, object], None]
) -> None:
    case = CASES[name]
    write_recipes(tmp_path, shared)
    bench = StoreBench(tmp_path, shared)
    more = (f"training.max_steps={30 * case.count}", "cluster.retries.crashes=1000", "cluster.oversubscribe=true")
    asked = ("--faults", ",".join(case.faults), "--count", str(case.count), "--seed", str(case.seed))
    with bench.started("chaos", case.recipe, *case.overrides, *more, *asked) as started:
        until(lambda: started.process.poll() is not None, "the rehearsal", within=LONGEST_S)
        code = started.process.returncode
    out, err = started.out.read_text(), started.err.read_text()
    print(out)
    assert code == 0, (out, err)
    assert "weights   equal, bit for bit\ndocuments the same\nlosses    differ by 0.0e+00 at the most\n" in out
    table = out[out.index("what happened") :]
    happened = re.findall(rf"^({'|'.join(FAULTS)}) +\d+ .*?([\d.]+ s|-) ", table, re.MULTILINE)
    assert len(happened) == case.count, "every fault found a run that trained"
    record_property("faults", happened)
    assert list(bench.temporary.glob("ll-chaos-*")) == []
    shutil.rmtree(tmp_path)
