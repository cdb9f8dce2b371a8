"""A store that fails one request in ten or in three, and one that is down for half a minute: the run ends right."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest

from launcher.storage.layout import CHECKPOINTS
from launcher.storage.store import Store
from launcher.track.events import read_events
from tests.faults.checks import check_every_document_once, check_same
from tests.faults.gate import Gate
from tests.faults.recipes import write_recipes
from tests.faults.s3 import KEYS, new_bucket, s3_server
from tests.faults.trial import StoreBench, Trial

DOWN_S = 30.0
RANK_FILE = r"^PUT .*/checkpoints/.*/rank-\d+\.safetensors"


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with s3_server() as url, Gate(url, seed=5, stall_s=2.0) as made, pytest.MonkeyPatch.context() as environment:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url}.items():
            environment.setenv(name, value)
        yield made


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shared: Path, gate: Gate) -> StoreBench:
    folder = tmp_path_factory.mktemp("store-faults")
    write_recipes(folder, shared)
    return StoreBench(folder, shared, {**KEYS, "AWS_ENDPOINT_URL": gate.url})


@pytest.fixture(scope="module")
def calm(bench: StoreBench) -> Trial:
    made = Trial(bench, ("text.yaml",), 2, "undisturbed", Store.open(str(bench.runs / "undisturbed")))
    made.to_the_end()
    return made


def in_objects(bench: StoreBench, run_id: str) -> Trial:
    url = f"s3://{new_bucket(os.environ['AWS_ENDPOINT_URL'])}/runs"
    words = ("text.yaml", f"cluster.storage={url}", f"cluster.cache_folder={bench.folder}/cache-{run_id}")
    return Trial(bench, words, 2, run_id, Store.open(f"{url}/{run_id}"))


def told_by_events(trial: Trial) -> dict[str, list[int]]:
    """Steps whose saves were skipped, failed and committed, as the events tell them."""
    kinds: dict[str, list[int]] = {"save-skipped": [], "save-failed": [], "commit": []}
    for event in read_events(trial.store):
        if event["kind"] in kinds:
            kinds[event["kind"]].append(event["committed"] if event["kind"] == "commit" else event["step"])
    return kinds


def check(trial: Trial, calm: Trial, tmp_path: Path) -> str:
    """The run is right, and its events tell of every save what became of it."""
    check_same(trial, calm)
    check_every_document_once(trial, tmp_path)
    told = told_by_events(trial)
    commits = [each.step for each in trial.commits() if each.checkpoint.startswith(CHECKPOINTS)]
    assert told["commit"] == commits
    assert sorted(chain(*told.values())) == list(range(3, 61, 3)), "each save was committed, skipped or failed"
    return ", ".join(f"{len(steps)} {kind}" for kind, steps in told.items())


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_a_store_that_fails_so_many_requests_costs_time_and_saves_and_nothing_else(
    bench: StoreBench,
    gate: Gate,
    calm: Trial,
    tmp_path: Path,
    rate: float,
    record_property: Callable[[str, object], None],
) -> None:
    trial, faults = in_objects(bench, f"faults-{rate}"), gate.faults
    began, gate.rate = time.monotonic(), rate
    with trial.attempt() as attempt:
        ended = attempt.started.ended()
    gate.rate = 0.0
    assert ended.code == 0, ended.err
    found = check(trial, calm, tmp_path)
    record_property("faults", [("failed request", "-")] * (gate.faults - faults))
    print(f"{rate:.0%} faults: {gate.faults - faults} faults, {found}; {time.monotonic() - began:.0f} s")


@pytest.mark.slow
def test_a_store_that_is_down_for_half_a_minute_during_an_upload_costs_time_and_saves_and_nothing_else(
    bench: StoreBench, gate: Gate, calm: Trial, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    trial, began = in_objects(bench, "down"), time.monotonic()
    with trial.attempt() as attempt:
        held = gate.hold(RANK_FILE, "after", 5)
        assert attempt.until(held.reached.is_set)
        gate.down = True
        up = threading.Timer(DOWN_S, setattr, (gate, "down", False))
        up.start()
        gate.let_go()
        ended = attempt.started.ended()
        up.join()
    assert ended.code == 0, ended.err
    found = check(trial, calm, tmp_path)
    record_property("faults", [("store down", "-")])
    print(f"down for {DOWN_S:.0f} s: {gate.counts['down']} requests refused, {found}; {time.monotonic() - began:.0f} s")
