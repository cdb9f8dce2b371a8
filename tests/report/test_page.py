"""The page of a report: whole, honest, and without a network."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from launcher.errors import InvalidInput
from launcher.recipe.load import resolved_yaml
from launcher.recipe.recipe import Recipe
from launcher.report.page import figures, page
from launcher.report.record import read_run
from launcher.report.summary import summarise
from launcher.report.write import write_report
from launcher.storage.layout import RECIPE
from launcher.storage.store import Store
from tests.report.conftest import INTERRUPTED, Told, add_generations, add_scores, write_run

VOID = {"meta", "br", "img", "link", "hr", "input"}


class Balanced(HTMLParser):
    """Notes every tag, and fails where one is not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Balanced:
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    return parser


def made(store: Store) -> str:
    run = read_run(store)
    return page(run, figures(run))


def test_it_asks_nothing_of_a_network_and_runs_nothing(interrupted: Store) -> None:
    text = made(interrupted)
    tags = parsed(text).seen
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    assert not [attributes for _, attributes in tags if {"src", "href", "onload", "onclick"} & attributes.keys()]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


def test_it_tells_every_attempt_with_its_cause_every_commit_and_the_goodput(interrupted: Store) -> None:
    text = made(interrupted)
    for told in ("killed: it never closed", "cancelled (exit 130)", "taken over: --takeover", "43 % of 2 min 20 s"):
        assert told in text, told
    rows = re.findall(r"<td>commit</td><td class=\"number\">(\d+)</td>", text)
    assert rows == ["10", "20", "30", "40", "50", "60"]
    assert "steps 1 to 30, of which 10 were done again" in text


def test_a_task_without_labels_has_losses_and_what_was_written(
    tmp_path: Path, recipe_of: Callable[..., Recipe]
) -> None:
    store = write_run(tmp_path / "run", recipe_of(), INTERRUPTED)
    alone = made(store)
    parsed(alone)
    assert [found in alone for found in ("2.0000", "7.39", "1.0000", "ROUGE-L and", "What they write")] == [
        *[True] * 3, *[False] * 2
    ]  # fmt: skip
    add_generations(store)
    text = made(store)
    parsed(text)
    for told in ("ROUGE-L and exact match", "What they write", "Define: &lt;flu&gt;", "0.500", "a disease of joints"):
        assert told in text, told


def test_base_and_tuned_stand_side_by_side_with_examples_that_changed(interrupted: Store) -> None:
    text = made(interrupted)
    assert text.index("Confusions of the base model") < text.index("Confusions of the tuned model")
    assert "TF-IDF + logistic regression" in text
    # 40 rows are not the first label; of them those whose number ends in 0 stay wrong
    assert '<b class="good">36</b>' in text
    assert '<b class="bad">0</b>' in text


def test_the_strategy_that_auto_chose_last_is_told(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    first = Told(opened=0, trains=5, after=0, last=10, closed=20, saves=(10,), chosen={"strategy": "zero2"})
    then = Told(opened=30, trains=35, after=10, last=20, closed=60, finished=True, chosen={"strategy": "zero3"})
    store = write_run(tmp_path / "run", recipe_of(strategy={"kind": "auto"}), [first, then])
    assert "zero3" in made(store)
    assert "chosen by auto" in made(store)
    assert summarise(read_run(store)).strategy == "zero3"


def test_what_users_wrote_is_no_markup(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    labels = ["<script>alert(1)</script>", "b", "c"]
    words = dict(zip(labels, ("x", "y", "z"), strict=True))
    recipe = recipe_of(task={"kind": "instruction", "prompt": "{text} is", "label_words": words})
    store = write_run(tmp_path / "run", recipe, INTERRUPTED)
    add_scores(store, labels)
    text = made(store)
    assert "<script" not in text
    assert "row 1 of &lt;b&gt;b&lt;/b&gt;" in text
    parsed(text)


def test_a_run_that_is_not_finished_is_told_as_far_as_it_is(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    text = made(write_run(tmp_path / "run", recipe_of(), INTERRUPTED[:2]))
    assert "not finished" in text
    assert "Base against tuned" not in text
    assert "goes on from its newest commit" in text
    parsed(text)


def test_a_task_without_labels_is_told_by_loss_and_perplexity(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(task={"kind": "text"})
    text = made(write_run(tmp_path / "run", recipe, INTERRUPTED))
    assert "perplexity, tuned" in text
    assert "2.72" in text
    assert "base 7.39" in text


def test_twenty_labels_make_a_matrix_without_words(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    store = write_run(tmp_path / "run", recipe_of(), INTERRUPTED)
    add_scores(store, [f"intent-{number}" for number in range(20)], rows=400)
    assert "true intent-7, predicted intent-0" in made(store)


def test_it_is_written_into_the_run_and_pictures_where_they_are_wanted(interrupted: Store, tmp_path: Path) -> None:
    places = write_report(interrupted.location, pictures=str(tmp_path / "pictures"))
    assert places[0] == f"{interrupted.location}/report.html"
    assert interrupted.exists("report.html")
    names = {Path(place).name for place in places[1:]}
    assert names >= {"loss.png", "timeline.png", "confusion-base.png", "confusion-tuned.png", "scores.png"}
    assert all(Path(place).read_bytes().startswith(b"\x89PNG") for place in places[1:])
    assert write_report(interrupted.location, str(tmp_path / "new" / "here.html")) == [
        str(tmp_path / "new" / "here.html")
    ]


def test_a_run_that_nobody_opened_has_nothing_to_report(tmp_path: Path, recipe_of: Callable[..., Recipe]) -> None:
    Store.open(str(tmp_path / "run")).create(RECIPE, resolved_yaml(recipe_of()).encode())
    with pytest.raises(InvalidInput, match="no attempt has opened this run yet"):
        write_report(str(tmp_path / "run"))


def test_a_place_that_cannot_be_written_is_told(interrupted: Store, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be written: Is a directory; give another place$"):
        write_report(interrupted.location, str(tmp_path))
