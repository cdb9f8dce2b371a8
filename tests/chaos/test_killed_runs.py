"""Runs whose workers, driver or uploader are killed at 40 seeded moments, and which end as if nothing had happened.

`KILLS=3 pytest tests/chaos/test_killed_runs.py -s -k disk-2` does the first three kills of one run. Each attempt takes
20 to 40 s on two cores, most of it to start workers: 6 to 8 minutes a run.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launcher.checkpoint.contents import MANIFEST
from launcher.checkpoint.entries import Commit
from launcher.storage.layout import CHECKPOINTS
from launcher.storage.store import Store
from tests.faults.checks import check_every_document_once, check_same, check_went_on
from tests.faults.gate import Gate
from tests.faults.moments import Moment, Victim, reach, strike
from tests.faults.recipes import write_recipes
from tests.faults.s3 import KEYS, new_bucket, s3_server
from tests.faults.trial import StoreBench, Trial

KILLS = int(os.environ.get("KILLS", "99"))
"""Of each run, the first so many."""
TWICE = ("backward", "rank file", "receipt", "manifest", "write of a rank file", "receipt written", "entry written")
"""Phases that are waited for more than once, by seed."""

Plan = list[tuple[str, Victim]]
DISK: Plan = [
    ("backward", "worker"),
    ("write of a rank file", "uploader"),
    ("manifest written", "driver"),
    ("snapshot", "worker"),
    ("receipt written", "uploader"),
    ("backward", "driver"),
    ("entry written", "uploader"),
    ("write of a rank file", "driver"),
]
OBJECTS: Plan = [
    ("fetch of data", "worker"),
    ("manifest's answer", "uploader"),
    ("entry's answer", "driver"),
    ("rank file", "worker"),
    ("fetch of a commit", "driver"),
    ("entry's answer", "uploader"),
    ("receipt", "driver"),
    ("manifest", "worker"),
    ("rank file's answer", "uploader"),
    ("entry", "driver"),
]
PARTS: Plan = [
    ("part", "uploader"),
    ("completion of parts", "driver"),
    ("snapshot", "driver"),
    ("part", "worker"),
]
RUNS: dict[str, tuple[str, int, Plan]] = {
    "disk-2": ("text.yaml", 2, DISK),
    "disk-3": ("answers.yaml", 3, DISK),
    "objects-2": ("text.yaml", 2, OBJECTS),
    "objects-3": ("answers.yaml", 3, OBJECTS),
    "parts-2": ("wide.yaml", 2, PARTS),
}
"""Recipe, workers and kills; 40 kills in all."""


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with s3_server() as url, Gate(url) as made, pytest.MonkeyPatch.context() as environment:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
            environment.setenv(name, value)
        yield made


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path, gate: Gate) -> StoreBench:
    folder = tmp_path_factory.mktemp("killed-runs")
    write_recipes(folder, shared)
    return StoreBench(folder, shared, {**KEYS, "AWS_ENDPOINT_URL": gate.url})


@pytest.fixture(scope="module")
def undisturbed(bench: StoreBench) -> dict[tuple[str, int], Trial]:
    """The runs that nothing happened to, by recipe and workers; each is made when it is asked for first."""
    return {}


def on_disk(bench: StoreBench, recipe: str, workers: int, run_id: str) -> Trial:
    words = (recipe, "cluster.oversubscribe=true", "cluster.retries.crashes=0")
    return Trial(bench, words, workers, run_id, Store.open(str(bench.runs / run_id)))


def in_objects(bench: StoreBench, gate: Gate, recipe: str, workers: int, run_id: str) -> Trial:
    url = f"s3://{new_bucket(os.environ['AWS_ENDPOINT_URL'])}/runs"
    words = (recipe, "cluster.oversubscribe=true", "cluster.retries.crashes=0", f"cluster.storage={url}")
    return Trial(bench, words, workers, run_id, Store.open(f"{url}/{run_id}"))


def moments(name: str) -> list[Moment]:
    """The kills of a run, each at a place drawn by the run's name."""
    drawn = random.Random(name)
    often = {"backward": 12, "part": 3}
    return [
        Moment(phase, victim, drawn.randint(1, often.get(phase, 2)) if phase in {*TWICE, *often} else 1)
        for phase, victim in RUNS[name][2][:KILLS]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_is_killed_time_and_again_ends_as_if_nothing_had_been(
    bench: StoreBench,
    gate: Gate,
    undisturbed: dict[tuple[str, int], Trial],
    tmp_path: Path,
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    recipe, workers, _ = RUNS[name]
    if (recipe, workers) not in undisturbed:
        calm = undisturbed[recipe, workers] = on_disk(bench, recipe, workers, f"undisturbed-{recipe[:-5]}-{workers}")
        calm.to_the_end()
    store = name.partition("-")[0]
    trial = on_disk(bench, recipe, workers, name) if store == "disk" else in_objects(bench, gate, recipe, workers, name)
    began = time.monotonic()
    plan = moments(name)
    killed_time_and_again(trial, plan, None if store == "disk" else gate)
    check_same(trial, undisturbed[recipe, workers])
    epochs = check_every_document_once(trial, tmp_path)
    record_property("faults", [(f"kill {each.victim}", "-") for each in plan])
    print(f"{name}: {epochs} epochs, every document once in each; {time.monotonic() - began:.0f} s")


def killed_time_and_again(trial: Trial, plan: list[Moment], gate: Gate | None) -> None:
    """Start the run again until it is done, with a kill at each moment."""
    left, number, code = list(plan), 0, None
    while code != 0:
        number += 1
        start, asked = time.monotonic(), 0 if gate is None else len(gate.asked)
        with trial.attempt(f"cluster.cache_folder={trial.bench.folder}/cache-{trial.run_id}-{number}") as attempt:
            alive = True
            while left and alive:
                moment = left.pop(0)
                there = reach(moment, trial, attempt, gate)
                assert there is not None, f"ended before {moment}: {attempt.started.err.read_text()}"
                strike(moment, attempt, there)
                seconds, found = time.monotonic() - start, newest(trial.store)
                if gate is not None:
                    gate.let_go()
                alive = moment.victim == "uploader"
                print(f"{trial.run_id}  attempt {number}  {seconds:5.1f} s  {moment!s:<32}  {found}")
            ended = attempt.started.ended()
        code = ended.code
        assert (code == 0) == alive, ended.err
        assert "is passed over" not in ended.out
        after = check_went_on(trial, number, ended.out) if f"starting {trial.workers} workers" in ended.out else "-"
        print(
            f"{trial.run_id}  attempt {number}  {time.monotonic() - start:5.1f} s  exit {code}, went on after {after}"
        )
        if gate is not None:
            only_what_was_committed_was_read(trial, gate.asked[asked:])


def newest(store: Store) -> str:
    """What was there when the kill had happened."""
    names = [name.split("/") for name in store.list(CHECKPOINTS)]
    folder = max((name[1] for name in names), default="")
    files = [name[2] for name in names if name[1] == folder]
    counts = [
        sum(map(bool, (re.fullmatch(kind, each) for each in files))) for kind in (r".*\.safetensors", r"rank.*json")
    ]
    manifest = "a manifest" if MANIFEST in files else "no manifest"
    entries = len(store.list("journal"))
    return f"{folder or 'nothing'}: {counts[0]} files, {counts[1]} receipts, {manifest}; {entries} entries"


def only_what_was_committed_was_read(trial: Trial, asked: list[str]) -> None:
    """No attempt asks for the weights of a checkpoint that the journal does not name."""
    committed = {each.checkpoint for each in trial.entries() if isinstance(each, Commit)}
    found = (re.match(r"GET .*?/(checkpoints/[^/]+)/rank-\d+\.safetensors", each) for each in asked)
    assert {each[1] for each in found if each} <= committed
