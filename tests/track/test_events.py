import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.storage.store import AlreadyExists, CannotWrite, Store
from launcher.track.events import EventLog, read_events


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "run"))


def test_events_come_back_by_attempt_rank_and_time(store: Store) -> None:
    for attempt, rank in ((10, 0), (2, 1), (2, 0)):
        log = EventLog(store, attempt, rank)
        for step in range(3):
            log.emit("step", step=step)
            log.flush()
    found = [(event["attempt"], event["rank"], event["step"]) for event in read_events(store)]
    assert found == [(attempt, rank, step) for attempt, rank in ((2, 0), (2, 1), (10, 0)) for step in range(3)]


def test_nothing_is_written_before_a_flush_nor_by_an_empty_one(store: Store) -> None:
    log = EventLog(store, 1, 0)
    log.flush()
    log.emit("start")
    assert store.list() == []
    log.flush()
    log.flush()
    assert store.list() == ["events/000001-00000-000000.jsonl"]


def test_what_changes_after_it_was_noted_does_not_change_the_note(store: Store) -> None:
    log = EventLog(store, 1, 0)
    hosts = ["a"]
    log.emit("start", hosts=hosts)
    hosts.append("b")
    log.flush()
    assert next(read_events(store))["hosts"] == ["a"]


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not strict JSON")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def _told(value: object) -> object:
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):  # noqa: PLR0124
        return str(value)
    if isinstance(value, dict):
        return {key: _told(item) for key, item in value.items()}
    return [_told(item) for item in value] if isinstance(value, list) else value


@given(value=values)
def test_each_line_is_strict_json_whatever_the_fields(value: object) -> None:
    store = Store.open("memory://events-property")
    log = EventLog(store, 1, 0)
    log.emit("any", value=value)
    log.emit("next")
    log.flush()
    (name,) = store.list()
    first, second = (json.loads(line, parse_constant=_refuse) for line in store.read(name).decode().splitlines())
    assert (first["kind"], first["value"], second["kind"]) == ("any", _told(value), "next")
    store.fs.rm(store.root, recursive=True)


def test_losses_that_are_not_finite_are_told_as_words(store: Store) -> None:
    log = EventLog(store, 1, 0)
    log.emit("step", loss=float("nan"), norms=[float("inf"), -float("inf"), 1.5])
    log.flush()
    event = next(read_events(store))
    assert (event["loss"], event["norms"]) == ("nan", ["inf", "-inf", 1.5])


def test_two_logs_of_one_rank_do_not_overwrite_each_other(store: Store) -> None:
    first, second = EventLog(store, 1, 0), EventLog(store, 1, 0)
    first.emit("first")
    first.flush()
    second.emit("second")
    with pytest.raises(AlreadyExists):
        second.flush()
    assert [event["kind"] for event in read_events(store)] == ["first"]


@dataclass(frozen=True, slots=True)
class Deaf(Store):
    def create(self, name: str, data: bytes) -> None:
        Store.create(self, name, data)
        raise AlreadyExists(name)


def test_a_segment_whose_answer_was_lost_counts_as_written(store: Store) -> None:
    log = EventLog(Deaf(store.fs, store.root), 1, 0)
    for step in range(2):
        log.emit("step", step=step)
        log.flush()
    assert [event["step"] for event in read_events(store)] == [0, 1]


def test_events_that_could_not_be_written_are_kept_for_the_next_flush(store: Store) -> None:
    assert store.local_path("events") is not None
    Path(store.root).write_bytes(b"in the way")
    log = EventLog(store, 1, 0)
    log.emit("start")
    with pytest.raises(CannotWrite, match="is a file, not a folder"):
        log.flush()
    Path(store.root).unlink()
    log.flush()
    assert [event["kind"] for event in read_events(store)] == ["start"]
