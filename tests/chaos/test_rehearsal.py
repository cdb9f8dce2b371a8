"""`launcher chaos` itself: every kind of fault, and both runs end alike."""

import re
from pathlib import Path

import pytest

from launcher.chaos.faults import FAULTS
from tests.faults.recipes import write_recipes
from tests.faults.trial import StoreBench


@pytest.mark.slow
def test_a_rehearsal_with_every_fault_ends_in_the_weights_of_the_undisturbed_run(tmp_path: Path, shared: Path) -> None:
    write_recipes(tmp_path, shared)
    bench = StoreBench(tmp_path, shared)
    words = ("text.yaml", "cluster.workers=2", "--faults", ",".join(FAULTS), "--count", str(len(FAULTS)), "--seed", "3")
    with bench.started("chaos", *words) as started:
        code = started.process.wait(280)
    out, err = started.out.read_text(), started.err.read_text()
    print(out)
    assert code == 0, (out, err)
    assert "weights   equal, bit for bit\ndocuments the same\nlosses    differ by 0.0e+00 at the most\n" in out
    table = out[out.index("what happened") :]
    for fault in FAULTS:
        assert re.search(rf"^{fault} +\d", table, re.MULTILINE), fault
    assert list(bench.temporary.glob("ll-chaos-*")) == []
