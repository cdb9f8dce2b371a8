from collections.abc import Callable, Iterator

import pytest

from launcher.errors import InvalidInput
from launcher.recipe.recipe import Recipe
from launcher.storage.layout import WANDB_ADDRESS
from launcher.storage.store import Store
from launcher.track.events import EventLog, read_events
from launcher.track.sync import NotUploaded, sync_wandb
from launcher.track.tracks import open_tracks
from tests.track.wandb_server import KEY, Server, serving


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("WANDB_API_KEY", KEY)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    with serving(server) as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        yield server


def attempt(store: Store, recipe: Recipe, number: int, resumed_step: int | None, last: int, told: list[str]) -> None:
    past = list(read_events(store))
    events = EventLog(store, number, 0)
    tracks = open_tracks(events, store, recipe, resumed_step=resumed_step, past=past, tell=told.append)
    for step in range((resumed_step or 0) + 1, last + 1):
        tracks.emit("step", step=step, loss=float(number))
    tracks.close(0)


def test_sync_uploads_each_step_of_two_attempts_once(
    store: Store, server: Server, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    recipe = recipe_of(tracking={"report_to": ["wandb"], "wandb": {"mode": "offline"}})
    attempt(store, recipe, 1, None, 5, told)
    attempt(store, recipe, 2, 3, 6, told)
    before = store.list()
    assert server.asked == []
    uploaded = sync_wandb(store)
    assert server.runs == {"moods-1"}
    assert server.history == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0)]
    assert (store.list(), uploaded in before) == (before, True)


def test_online_the_history_is_rewound_to_the_resumed_step(
    store: Store, server: Server, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    recipe = recipe_of(tracking={"report_to": ["wandb"]})
    attempt(store, recipe, 1, None, 5, told)
    assert server.history == [(step, 1.0) for step in range(1, 6)]
    assert told == [f"W&B: {store.read(WANDB_ADDRESS).decode()}"]
    assert told[0].endswith("/runs/moods-1")
    attempt(store, recipe, 2, 3, 6, told)
    assert len(told) == 1, "the address stays the same"
    assert server.runs == {"moods-1"}
    assert server.history == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0)]


def test_a_first_attempt_that_wandb_never_saw_is_told_by_the_second(
    store: Store, server: Server, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    attempt(store, recipe_of(), 1, None, 5, told)
    attempt(store, recipe_of(tracking={"report_to": ["wandb"]}), 2, 3, 4, told)
    assert told == [f"W&B: {store.read(WANDB_ADDRESS).decode()}"]
    assert server.history == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0)]


def test_a_server_that_cannot_rewind_gets_no_step_twice_and_it_is_told(
    store: Store, server: Server, told: list[str], recipe_of: Callable[..., Recipe]
) -> None:
    recipe = recipe_of(tracking={"report_to": ["wandb"]})
    attempt(store, recipe, 1, None, 5, told)
    server.rewinds = False
    told.clear()
    attempt(store, recipe, 2, 3, 7, told)
    (line,) = told
    assert line.startswith("W&B: failed to rewind run: ")
    assert line.endswith("it keeps what it has, and leaves out steps before 6")
    assert server.history == [*((step, 1.0) for step in range(1, 6)), (6, 2.0), (7, 2.0)]


def test_sync_without_an_offline_file_says_how_to_get_one(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no offline W&B file; one is written with"):
        sync_wandb(store)


@pytest.mark.parametrize("key", [None, KEY])
def test_what_cannot_be_uploaded_ends_in_one_line(
    store: Store,
    told: list[str],
    recipe_of: Callable[..., Recipe],
    monkeypatch: pytest.MonkeyPatch,
    key: str | None,
) -> None:
    attempt(store, recipe_of(tracking={"report_to": ["wandb"], "wandb": {"mode": "offline"}}), 1, None, 1, told)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    if key is None:
        monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(NotUploaded) as caught:
        sync_wandb(store, seconds=60 if key is None else 4)
    line = str(caught.value)
    assert "\n" not in line
    assert ("No API key configured" if key is None else "not done within 4 s") in line
    assert KEY not in line
