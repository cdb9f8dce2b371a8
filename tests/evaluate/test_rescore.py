"""Evaluating a model that stands alone, and other rows than the recipe's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from launcher.errors import InvalidInput
from launcher.evaluate.contenders import MODEL
from launcher.evaluate.rescore import How, evaluate_model, evaluate_run, rows_to_test
from launcher.evaluate.rescore_output import keep_generations
from launcher.evaluate.written import generation_metrics, read_generations
from launcher.recipe.recipe import Recipe

Make = Callable[..., Recipe]
ROWS = [("Once upon a time, there was a little", "girl"), ("One day, a boy named Tim went to the", "park")]


@pytest.fixture
def completing(stories: Path, recipe_of: Make, tmp_path: Path) -> Make:
    """A recipe that completes beginnings of stories."""
    (tmp_path / "rows.csv").write_text("".join(f'"{text}",{word}\n' for text, word in [("text", "word"), *ROWS]))

    def build(**sections: Any) -> Recipe:
        source = {"kind": "csv", "url": str(tmp_path / "rows.csv")}
        return recipe_of(
            model={"kind": "pretrained", "name_or_path": str(stories)},
            **{
                "task": {"kind": "instruction", "prompt": "{text}", "completion": "{word}", "end_token": "<s>"},
                "data": {"train": {"kind": "csv", "url": str(tmp_path / "none.csv")}, "test": source},
                **sections,
            },
        )

    return build


def test_test_rows_of_their_own_are_read_without_the_training_rows(completing: Make) -> None:
    assert [row.fields["text"] for row in rows_to_test(completing())] == [text for text, _ in ROWS]


def test_a_model_is_measured_by_loss_and_by_what_it_writes(completing: Make, stories: Path, tmp_path: Path) -> None:
    found = evaluate_model(str(stories), completing(), How(generate=4))
    assert found.completed[MODEL].rows == 2
    assert found.completed[MODEL].loss_low <= found.completed[MODEL].loss <= found.completed[MODEL].loss_high
    first = found.generations[0]
    assert (first.prompt, first.reference) == ROWS[0]
    assert first.written[MODEL].startswith("girl")
    assert found.written[MODEL] == generation_metrics(
        [word for _, word in ROWS], [each.written[MODEL] for each in found.generations]
    )
    keep_generations(found, None, str(tmp_path / "out.jsonl"))
    assert read_generations((tmp_path / "out.jsonl").read_bytes()) == list(found.generations)
    assert (
        json.loads(json.dumps(found.to_dict()))["completed"][MODEL]["perplexity"] == found.completed[MODEL].perplexity
    )


def test_fewer_rows_may_be_taken(completing: Make, stories: Path) -> None:
    assert evaluate_model(str(stories), completing(), How(limit=1)).rows == 1
    with pytest.raises(InvalidInput, match=r"^--limit: 0 is none at all; give 1 or more$"):
        How(limit=0)


def test_labels_are_measured_where_the_task_has_them(completing: Make, stories: Path) -> None:
    task = {
        "kind": "instruction", "prompt": "{text}", "end_token": "<s>", "label_words": {"girl": "girl", "park": "park"}
    }  # fmt: skip
    recipe = completing(task=task)
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"fields": {"label": "word"}})})
    found = evaluate_model(str(stories), recipe, How())
    assert found.labelled[MODEL].accuracy == 1
    assert found.labelled[MODEL].calibration is not None
    assert not found.written


def test_what_cannot_be_is_told_in_a_line(completing: Make, stories: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^--generate: task text has no completion to compare with; leave it out$"):
        evaluate_model(str(stories), completing(task={"kind": "text"}), How(generate=4))
    for override in ("training.seed=1", "data.split.seed=1", "data.train.url=x"):
        with pytest.raises(InvalidInput, match=f"^'{override}': of a run that was trained, only data.test"):
            evaluate_run("nowhere", [override], How(), print)
    (tmp_path / "adapter").mkdir()
    for name in ("adapter_config.json", "tokenizer.json", "tokenizer_config.json", "config.json"):
        source = stories / name
        (tmp_path / "adapter" / name).write_bytes(source.read_bytes() if source.exists() else b"{}")
    with pytest.raises(InvalidInput, match="is an adapter: give a recipe of method lora or qlora"):
        evaluate_model(str(tmp_path / "adapter"), completing(), How())
