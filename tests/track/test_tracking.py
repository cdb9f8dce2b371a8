import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe
from launcher.recipe.tracking import Tracking
from launcher.storage.store import Store
from launcher.track.available import check_trackers
from launcher.track.events import EventLog, read_events
from launcher.track.tracks import open_tracks


@pytest.mark.parametrize(
    "wandb", [{"project": "a/b"}, {"entity": ""}, {"tags": [""]}, {"mode": "disabled"}, {"project": "x" * 129}]
)
def test_names_that_wandb_would_refuse_are_refused_at_once(wandb: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Tracking.model_validate({"wandb": wandb})


def test_wandb_that_is_asked_for_and_not_installed_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    check_trackers(Tracking(report_to=["wandb", "tensorboard"]))
    monkeypatch.setitem(sys.modules, "wandb", None)
    check_trackers(Tracking(report_to=["tensorboard"]))
    with pytest.raises(InvalidInput, match=r"report_to: wandb is not installed; pip install 'llama-launcher\[wandb\]'"):
        check_trackers(Tracking(report_to=["wandb"]))


def test_events_are_kept_where_nothing_else_is_reported_to(
    store: Store, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    tracks = open_tracks(EventLog(store, 2, 0), store, recipe_of(), resumed_step=4, past=(), tell=told.append)
    tracks.emit("step", step=5, loss=1.5)
    tracks.flush()
    tracks.emit("evaluation", step=5, loss=2.5)
    tracks.close(0)
    assert [(event["kind"], event["step"]) for event in read_events(store)] == [
        ("resume", 4),
        ("step", 5),
        ("evaluation", 5),
    ]
    assert store.list() == ["events/000002-00000-000000.jsonl", "events/000002-00000-000001.jsonl"]
    assert told == []
