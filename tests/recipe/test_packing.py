"""What is refused of packs, and what to do instead."""

import pytest

from launcher.recipe import table
from launcher.recipe.encoder import ENCODERS
from launcher.recipe.packing import PACKABLE, packing_refusal

WRITING = [task for task in table.TASKS if task != "classification"]


@pytest.mark.parametrize("task", WRITING)
def test_models_that_keep_documents_apart_learn_to_write_from_packs(task: str) -> None:
    assert {packing_refusal(task, model) for model in PACKABLE} == {None}


def test_a_classifier_reads_one_position_a_row() -> None:
    for model in (*PACKABLE, *ENCODERS):
        assert "a classifier answers once a row" in str(packing_refusal("classification", model))


@pytest.mark.parametrize("task", WRITING)
def test_an_encoder_reads_across_documents(task: str) -> None:
    for model in ENCODERS:
        assert str(packing_refusal(task, model)).startswith(f"{model} reads a text in both directions")


@pytest.mark.parametrize("model", ["opt", "falcon", "mamba", "made-up", None])
def test_a_model_that_is_not_proven_to_keep_documents_apart_is_refused(model: str | None) -> None:
    assert "llama" in str(packing_refusal("text", model))


@pytest.mark.parametrize(("task", "model"), [("classification", "llama"), ("chat", "bert"), ("text", "opt")])
def test_each_refusal_is_one_line_that_ends_with_its_mend(task: str, model: str) -> None:
    reason = str(packing_refusal(task, model))
    assert reason.endswith("; use padded")
    assert "\n" not in reason


def test_no_model_is_an_encoder_and_packable() -> None:
    assert not PACKABLE & ENCODERS
