"""Scores and metrics are the same on any number of ranks and at any batch size."""

from pathlib import Path

import pytest

from launcher.data.encode import Question
from launcher.evaluate.metrics import classification_metrics
from launcher.evaluate.outcome import best_label, probabilities
from launcher.evaluate.scores import Scores
from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Evaluation, Training
from launcher.train.scoring import shared_scores
from tests.train.ranks import on_ranks, rank_of, recipe, tiny_llama

LABELS = ["a", "b", "c"]
ROWS = [Question([1, *range(2, 3 + row % 9)], [[5, 2], [7, 9, 2], [11 + row, 2]]) for row in range(23)]


def scored(rank: int, world: int, folder: str, batch_size: int) -> Scores:
    made = recipe(Training(), Ddp(kind="ddp")).model_copy(update={"evaluation": Evaluation(batch_size=batch_size)})
    return shared_scores(rank_of(rank, world, made, len(ROWS), Path(folder)), tiny_llama().eval(), ROWS, 0)


def test_neither_world_size_nor_batch_size_changes_a_metric(tmp_path: Path) -> None:
    found = []
    for world, batch_size in ((1, 1), (1, 64), (2, 5), (3, 4)):
        folder = tmp_path / f"{world}-{batch_size}"
        on_each = on_ranks(world, folder, scored, str(folder), batch_size)
        assert all(each == on_each[0] for each in on_each)
        found.append(on_each[0])
    true = [LABELS[row % 3] for row in range(len(ROWS))]
    for scores in found:
        assert [value for row in scores for value in row] == pytest.approx(
            [value for row in found[0] for value in row], abs=1e-5
        )
    metrics = [
        classification_metrics(
            true, [best_label(row, LABELS) for row in scores], LABELS, [probabilities(row) for row in scores]
        )
        for scores in found
    ]
    for each in metrics:
        assert each.confusion == metrics[0].confusion
        assert (each.macro_f1, each.weighted_f1) == (metrics[0].macro_f1, metrics[0].weighted_f1)
        assert each.weighted_f1_low == metrics[0].weighted_f1_low
        assert each.calibration is not None
        assert metrics[0].calibration is not None
        assert each.calibration.error == pytest.approx(metrics[0].calibration.error, abs=1e-5)
