import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from launcher.storage.store import Store
from launcher.track.tensorboard import TensorBoardTracker
from launcher.track.tracker import TrackedRun


def attempt(store: Store, resumed_step: int | None, last_step: int, loss: float, flush_at: int | None = None) -> None:
    tracker = TensorBoardTracker(TrackedRun("moods-1", store, {}, resumed_step, ()))
    for step in range((resumed_step or 0) + 1, last_step + 1):
        tracker.log(step, {"train/loss": loss, "train/tokens": float(step)})
        if step == flush_at:
            tracker.flush()
    tracker.close(0)


def scalars(folder: Path, tag: str = "train/loss") -> list[tuple[int, float]]:
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    return [(event.step, event.value) for event in reader.Scalars(tag)] if tag in reader.Tags()["scalars"] else []


def test_values_are_read_back(store: Store) -> None:
    attempt(store, None, 3, 1.5)
    assert scalars(Path(store.root, "tensorboard")) == [(1, 1.5), (2, 1.5), (3, 1.5)]
    assert scalars(Path(store.root, "tensorboard"), "train/tokens") == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_numbers_that_are_not_finite_are_kept(store: Store) -> None:
    tracker = TensorBoardTracker(TrackedRun("moods-1", store, {}, None, ()))
    tracker.log(1, {"train/loss": math.nan, "train/grad_norm": math.inf})
    tracker.close(0)
    assert math.isnan(scalars(Path(store.root, "tensorboard"))[0][1])
    assert scalars(Path(store.root, "tensorboard"), "train/grad_norm") == [(1, math.inf)]


def test_values_are_there_to_read_while_the_attempt_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("launcher.track.tensorboard.SHOW_S", 0.0)
    tracker = TensorBoardTracker(TrackedRun("moods-1", store, {}, None, ()))
    tracker.log(1, {"train/loss": 1.0})
    assert scalars(Path(store.root, "tensorboard")) == [(1, 1.0)]
    tracker.close(0)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(0, 6), commit=st.integers(0, 6), more=st.integers(0, 6), flush_at=st.integers(1, 12))
def test_a_resumed_attempt_leaves_each_step_once(
    tmp_path_factory: pytest.TempPathFactory, first: int, commit: int, more: int, flush_at: int
) -> None:
    store = Store.open(str(tmp_path_factory.mktemp("run")))
    commit = min(commit, first)
    attempt(store, None, first, 1.0, flush_at)
    attempt(store, commit, commit + more, 2.0, flush_at)
    expected = [(step, 1.0 if step <= commit else 2.0) for step in range(1, commit + more + 1)]
    assert scalars(Path(store.root, "tensorboard")) == expected


def test_in_an_object_store_segments_appear_whole_at_each_flush(bucket: Store, tmp_path: Path) -> None:
    tracker = TensorBoardTracker(TrackedRun("moods-1", bucket, {}, None, ()))
    tracker.log(1, {"train/loss": 1.0})
    assert bucket.list() == []
    tracker.flush()
    assert bucket.list() == ["tensorboard/000001.tfevents"]
    tracker.log(2, {"train/loss": 1.0})
    tracker.close(0)
    attempt(bucket, 1, 3, 2.0)
    bucket.download("tensorboard", tmp_path)
    assert scalars(tmp_path) == [(1, 1.0), (2, 2.0), (3, 2.0)]
