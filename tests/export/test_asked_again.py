"""What is exported is asked as the run is, and answers alike: labels with their probabilities, and every word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launcher.evaluate.asked import asked_rows
from launcher.evaluate.contenders import MODEL, Field, of_model, of_run
from launcher.evaluate.predict import Answers, classify, generate
from launcher.evaluate.table import TUNED
from launcher.export.export import Wanted, export
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store
from tests.export.committed_run import commit, open_run, trained_like

WORDS = {"kind": "instruction", "prompt": "{text}", "end_token": "<s>", "label_words": {"a": "girl", "b": "park"}}
HEAD = {"kind": "classification", "text": "{text}", "labels": ["a", "b", "c"]}
CASES: dict[str, dict[str, Any]] = {
    "full": {"task": WORDS},
    "lora": {"task": WORDS, "method": {"kind": "lora"}},
    "qlora": {"task": WORDS, "method": {"kind": "qlora"}},
    "a head": {"task": HEAD},
    "lora with a head": {"task": HEAD, "method": {"kind": "lora"}},
}
TEXTS = ["Once upon a time, there was a little", "One day, a boy named Tim went to the", "Tim had a red"]


def asked(field: Field, name: str) -> tuple[list[Answers], list[str]]:
    """What one of the models says of each text, and what it writes after it."""
    rows = asked_rows(TEXTS, None, field.recipe)
    labelled = classify(field, rows)
    if field.recipe.task.kind == "classification":
        return labelled, []
    return labelled, [each.by_model[name].answer for each in generate(field, rows, 24)]


@pytest.mark.parametrize("case", CASES)
def test_what_is_exported_answers_as_the_run_does(
    case: str, tmp_path: Path, recipe_of: Callable[..., Recipe], stories: Path
) -> None:
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}, **CASES[case])
    run, store = tmp_path / "run", Store.open(str(tmp_path / "run"))
    models = trained_like(recipe, stories, seed=1), trained_like(recipe, stories, seed=2)
    commit(store, open_run(store, recipe), recipe, stories, *models)
    whole = "method" not in CASES[case]
    with of_run(str(run), print, step=20) as field:
        own, words = asked(field, TUNED)
    for merge in (False, True)[: 1 if whole else 2]:
        folder, name = tmp_path / f"merge-{merge}", MODEL if whole or merge else TUNED
        export(Wanted(str(run), str(folder), 20, merge), print)
        with of_model(str(folder), recipe) as field:
            found, written = asked(field, name)
        assert written == words
        for there, here in zip(found, own, strict=True):
            expected, answer = here.by_model[TUNED], there.by_model[name]
            assert answer.answer == expected.answer
            assert dict(answer.probabilities) == pytest.approx(dict(expected.probabilities), abs=1e-4)


def test_an_earlier_commit_is_asked_by_its_step(
    tmp_path: Path, recipe_of: Callable[..., Recipe], stories: Path
) -> None:
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}, **CASES["lora"])
    store = Store.open(str(tmp_path / "run"))
    commit(store, open_run(store, recipe), recipe, stories, *(trained_like(recipe, stories, seed) for seed in (1, 2)))
    said = {}
    for step in (None, 10, 20):
        with of_run(str(tmp_path / "run"), print, step=step) as field:
            said[step] = classify(field, asked_rows(TEXTS, None, recipe))
    assert said[None] == said[20] != said[10]
