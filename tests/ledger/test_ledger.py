"""What `launcher checkpoints` says of a run, and what it finds wrong."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from launcher.checkpoint.contents import MANIFEST, Origin
from launcher.checkpoint.entries import Commit, Entry, Open, entry_from_json, entry_to_json
from launcher.checkpoint.heartbeat import ordered
from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.outcome import Saved
from launcher.checkpoint.restore import newest_valid
from launcher.data.stream.consumed import Tally
from launcher.data.stream.mixture import Mixture
from launcher.data.stream.packing import Packing
from launcher.data.stream.stream import EpochEnd, Stream
from launcher.ledger.commits import KEPT, RETIRED, VERIFIED
from launcher.ledger.epochs import ONCE
from launcher.ledger.ledger import Ledger, ledger_json, ledger_lines, read_ledger
from launcher.storage.store import Store
from launcher.train.resuming import Progress
from tests.checkpoint.saving import ORIGIN, destination, open_attempt, savers, share
from tests.data.prepared.small_set import SmallSet
from tests.faults.s3 import KEYS, client, new_bucket, s3_server

PACKS = 400
"""Of a step: so many that some steps pass an epoch."""


@dataclass(frozen=True, slots=True)
class Training:
    """A run that reads two prepared sets, as far as its journal and checkpoints go."""

    store: Store
    sets: tuple[SmallSet, SmallSet]

    def commits(self, attempt: Attempt, *steps: int, change: Callable[[Progress], Progress] = lambda it: it) -> None:
        """Go on to each step in turn, and commit after it what the data came to by then."""
        origin, states = self._states(max(steps))
        where = replace(destination(self.store, attempt, 1), origin=origin)
        with savers(where) as (saver,):
            for step in steps:
                saver.save(step, share(0, 1, step), change(states[step]).to_json(), 1 / step)
                assert isinstance(saver.poll(60), Saved)

    def _states(self, steps: int) -> tuple[Origin, dict[int, Progress]]:
        packing = Packing("packed", 256, seed=3, blocks=8)
        streams = [Stream(each.index, packing, each.manifest.digest) for each in self.sets]
        mixture = Mixture(streams, [2.0, 1.0], seed=3)
        cursor, ended, states = mixture.start, tuple[EpochEnd, ...](), {}
        for step in range(1, steps + 1):
            taken = mixture.take(cursor, PACKS)
            cursor, ended = taken.cursor, ended + taken.ended
            stopping = {"best": None, "best_step": 0, "waited": 0}
            states[step] = Progress(step, False, cursor, {}, 0, stopping, False, PACKS, ended)
        told = {"mode": "packed", "capacity": 256, "seed": 3, "blocks": 8, "long": "truncate", "stretch": 1}
        data = {each.store.location: {"manifest": each.manifest.digest, **told} for each in self.sets}
        return replace(ORIGIN, data=data), states


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commits after steps 2 and 4 by one attempt, and after 6 and 8 by another that took over."""
    folder = tmp_path_factory.mktemp("ledger")
    store = Store.open(str(folder / "run"))
    sets = [SmallSet.write(Store.open(str(folder / name)), blocks=8, seed=number) for number, name in enumerate("ab")]
    training = Training(store, (sets[0], sets[1]))
    training.commits(open_attempt(store), 2, 4)
    second = Journal(store).open_attempt("slurm", "77", ["n1", "n2"], gone=ordered)
    training.commits(second, 6, 8)
    second.close("done", 0)
    return folder


@pytest.fixture
def run(committed: Path, tmp_path: Path) -> Path:
    """A copy to damage; its data sets stay where they are."""
    shutil.copytree(committed / "run", tmp_path / "run")
    return tmp_path / "run"


def ledger(run: Path, *, verify: bool = False) -> Ledger:
    return read_ledger(Store.open(str(run)), verify=verify)


def newest(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


def test_attempts_are_told_with_who_and_how_they_ended(run: Path) -> None:
    first, second = ledger(run).attempts
    assert (first.attempt, first.backend, first.hosts, first.commits) == (1, "local", ("here",), 2)
    assert (first.closed, first.cause, first.exit_code, first.took_over) == (None, None, None, None)
    assert (second.attempt, second.job_id, second.hosts, second.commits) == (2, "77", ("n1", "n2"), 2)
    assert (second.cause, second.exit_code, second.took_over) == ("done", 0, "--takeover")


def test_commits_are_told_with_what_they_hold_and_where_they_stand(run: Path) -> None:
    commits = ledger(run).commits
    assert [(line.number, line.step, line.attempt, line.state) for line in commits] == [
        (2, 2, 1, KEPT),
        (3, 4, 1, KEPT),
        (5, 6, 2, KEPT),
        (6, 8, 2, KEPT),
    ]
    for line in commits:
        held = [path for path in (run / line.checkpoint).iterdir() if path.name != MANIFEST]
        assert (line.files, line.size) == (len(held), sum(path.stat().st_size for path in held))
        assert line.metric == 1 / line.step
    manifest = json.loads((newest(run) / MANIFEST).read_bytes())
    for place, cursor in zip(commits[-1].places, manifest["state"]["cursor"]["sources"], strict=True):
        assert (place.epoch, place.documents) == (cursor["epoch"], cursor["consumed"]["documents"])


def test_a_retired_commit_is_told_and_not_read(run: Path) -> None:
    attempt = Journal(Store.open(str(run))).open_attempt("slurm", "78", ["n1"])
    attempt.retire(f"checkpoints/{newest(run).name}")
    shutil.rmtree(newest(run))
    found = ledger(run, verify=True)
    assert [line.state for line in found.commits] == [VERIFIED, VERIFIED, VERIFIED, RETIRED]
    assert found.sound


def test_every_document_of_every_ended_epoch_was_consumed_once(run: Path, committed: Path) -> None:
    found = ledger(run, verify=True)
    assert found.sound
    assert [line.state for line in found.commits] == [VERIFIED] * 4
    assert {line.proof for line in found.epochs} == {ONCE}
    for source, name in enumerate("ab"):
        lines = [line for line in found.epochs if line.source == source]
        documents = json.loads((committed / name / "manifest.json").read_bytes())["totals"]["documents"]
        assert [line.epoch for line in lines] == list(range(len(lines)))
        assert len(lines) > 1
        assert {line.consumed + line.left_out for line in lines} == {documents}
    assert {line.proof for line in ledger(run).epochs} == {None}, "it is proved only where that is asked for"


def doubled(ended: Sequence[EpochEnd]) -> tuple[EpochEnd, ...]:
    """One document in the place of another."""
    consumed = ended[0].consumed
    other = Tally(consumed.documents, f"{int(consumed.digest, 16) ^ 1:032x}")
    return (replace(ended[0], consumed=other), *ended[1:])


@pytest.mark.parametrize(
    ("change", "proof"),
    [(doubled, "other documents than the data set's"), (lambda ended: ended[1:], "epoch 0 should stand here")],
)
def test_an_epoch_that_passed_other_documents_is_told(
    run: Path, committed: Path, change: Callable[[Sequence[EpochEnd]], tuple[EpochEnd, ...]], proof: str
) -> None:
    store = Store.open(str(run))
    sets = [
        SmallSet.write(Store.open(str(run.parent / name)), blocks=8, seed=number) for number, name in enumerate("ab")
    ]
    attempt = Journal(store).open_attempt("local", "3", ["here"])
    Training(store, (sets[0], sets[1])).commits(
        attempt, 10, change=lambda state: replace(state, ended=change(state.ended))
    )
    found = ledger(run, verify=True)
    assert not found.sound
    assert [line.state for line in found.commits] == [VERIFIED] * 5
    assert proof in str(found.epochs[0].proof)


def test_a_data_set_that_is_not_there_proves_nothing_and_is_nothing_wrong(run: Path, committed: Path) -> None:
    away = committed / "away"
    (committed / "a").rename(away)
    try:
        found = ledger(run, verify=True)
        assert found.sound
        assert {line.proof for line in found.epochs if line.source == 1} == {ONCE}
        assert {str(line.proof).split(":")[0] for line in found.epochs if line.source == 0} == {"not proved"}
        SmallSet.write(Store.open(str(committed / "a")), blocks=8, seed=9)
        proofs = {str(line.proof) for line in ledger(run, verify=True).epochs if line.source == 0}
        assert all(proof.endswith("holds another data set now") for proof in proofs)
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(committed / "a")
        away.rename(committed / "a")


def flip(folder: Path) -> None:
    data = bytearray((folder / "rank-0.safetensors").read_bytes())
    data[-5] ^= 1
    (folder / "rank-0.safetensors").write_bytes(data)


def another_run(folder: Path) -> None:
    content = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(content.replace('"run":"run"', '"run":"other"'))


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a flipped byte": (flip, "rank-0.safetensors has another checksum than when it was written"),
    "a deleted file": (lambda folder: (folder / "rank-0.json").unlink(), "rank-0.json is missing"),
    "a file of no bytes": (lambda folder: (folder / "rank-0.json").write_bytes(b""), "rank-0.json has 0 bytes"),
    "no folder": (shutil.rmtree, "MANIFEST.json is missing"),
    "the manifest of another run": (another_run, "is not the one that was committed (it says run other)"),
    "a manifest that is cut short": (
        lambda folder: (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:-9]),
        "MANIFEST.json is not as it was written",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_commit_that_is_damaged_is_named_among_those_that_are_not(run: Path, damage: str) -> None:
    spoil, told = DAMAGES[damage]
    spoil(newest(run))
    found = ledger(run, verify=True)
    assert not found.sound
    assert [line.state for line in found.commits[:-1]] == [VERIFIED] * 3
    assert found.commits[-1].wrong
    assert f"{run}/{found.commits[-1].checkpoint}/" in found.commits[-1].state
    assert told in found.commits[-1].state
    assert {line.proof for line in found.epochs} == {ONCE}, "the newest that can be read tells them"
    assert told in "\n".join(ledger_lines(found))


def test_a_file_that_is_no_part_of_a_commit_is_noted(run: Path) -> None:
    (newest(run) / "rank-1.safetensors").write_bytes(b"")
    found = ledger(run, verify=True)
    assert found.sound
    note = f"{newest(run)}/rank-1.safetensors is no part of the checkpoint, and is not read"
    assert found.commits[-1].notes == (note,)
    assert ledger_lines(found)[-1] == f"note      {note}"


def test_the_state_of_another_launcher_is_told(run: Path) -> None:
    store = Store.open(str(run))
    attempt = Journal(store).open_attempt("local", "3", ["here"])
    with savers(destination(store, attempt, 1)) as (saver,):
        saver.save(10, share(0, 1, 10), {"step": 10}, None)
        saver.poll(60)
    line = ledger(run).commits[-1]
    assert line.wrong
    assert "holds the state of another launcher (last: Field required)" in line.state


def test_an_entry_that_is_cut_short_is_told_and_the_others_are_read(run: Path) -> None:
    entry = run / "journal/00000003.json"
    entry.write_bytes(entry.read_bytes()[:-50])
    found = ledger(run, verify=True)
    assert [line.number for line in found.commits] == [2, 5, 6]
    assert not found.sound
    (line,) = found.lost
    assert line.startswith(f"{entry} is damaged (")
    assert f"lost      {line}" in ledger_lines(found)


def test_everything_is_there_as_json(run: Path) -> None:
    told = json.loads(ledger_json(ledger(run, verify=True)))
    assert told["sound"] is True
    assert told["run"] == str(run)
    assert [line["exit_code"] for line in told["attempts"]] == [None, 0]
    assert [line["state"] for line in told["commits"]] == [VERIFIED] * 4
    assert all(line["proof"] == ONCE for line in told["epochs"])


def test_a_run_that_has_only_begun_has_one_attempt(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "run"))
    open_attempt(store)
    header, _, columns, line = ledger_lines(read_ledger(store, verify=True))
    assert header == f"run       {tmp_path}/run"
    assert columns.split()[:3] == ["attempt", "opened", "closed"]
    assert " never " in line


def test_clocks_that_are_an_hour_off_change_nothing_but_the_times(run: Path) -> None:
    """The second attempt's machine is behind: all that it wrote seems older than what the first one wrote."""

    def behind(entry: Entry) -> Entry:
        time = datetime.fromisoformat(entry.time) - timedelta(hours=1)
        return replace(entry, time=time.isoformat(timespec="milliseconds"))

    for path in sorted((run / "journal").iterdir())[3:]:
        path.write_bytes(entry_to_json(behind(entry_from_json(path.read_bytes(), str(path)))))
    store = Store.open(str(run))
    times = [entry.time for entry in Journal(store).entries()]
    assert max(times[3:]) < min(times[:3])
    assert [line.step for line in ledger(run, verify=True).commits] == [2, 4, 6, 8]
    assert ledger(run, verify=True).sound
    told: list[str] = []
    found = newest_valid(store, Journal(store), told.append, run.parent / "fetched")
    assert found is not None
    assert (found.commit.step, told) == (8, [])
    assert Journal(store).owner() is None
    attempt = Journal(store).open_attempt("local", "3", ["here"])
    assert attempt.number == 3
    assert [type(entry) for entry in Journal(store).entries()[-1:]] == [Open]
    assert [entry.step for entry in Journal(store).entries() if isinstance(entry, Commit)] == [2, 4, 6, 8]


def test_what_is_damaged_in_an_object_store_is_found_there(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        bucket = new_bucket(endpoint)
        store = Store.open(f"s3://{bucket}/run")
        for part in ("journal", "checkpoints"):
            store.upload(run / part, part)
        assert read_ledger(store, verify=True).sound
        flip(newest(run))
        key = f"run/checkpoints/{newest(run).name}/rank-0.safetensors"
        client(endpoint).put_object(Bucket=bucket, Key=key, Body=(newest(run) / "rank-0.safetensors").read_bytes())
        found = read_ledger(store, verify=True)
    assert [line.wrong for line in found.commits] == [False, False, False, True]
    assert f"s3://{bucket}/{key} has another checksum" in found.commits[-1].state
