"""Scores of rows, shared out over the ranks."""

from collections.abc import Sequence

from torch import distributed

from launcher.data.encode import TestRow
from launcher.evaluate.score import score
from launcher.evaluate.scores import Scores
from launcher.model.adapt import TrainableModel
from launcher.model.precision import autocast
from launcher.train.rank import Rank


def shared_scores(rank: Rank, model: TrainableModel, rows: Sequence[TestRow], pad_id: int) -> Scores:
    """Scores in the order of `rows`, the same on every rank; all ranks call it together.

    Every rank scores equally many rows, repeating one where there are none left: where weights are partitioned, a
    forward pass is a collective.
    """
    recipe, world = rank.job.recipe, rank.world
    share = -(-len(rows) // world)
    mine = [*rows[rank.number :: world], *rows[:1]][:share]
    with autocast(recipe.training.precision, rank.device):
        own = score(model, mine, pad_id=pad_id, batch_size=recipe.evaluation.batch_size, device=rank.device)
    shares: list[Scores] = [[] for _ in range(world)]
    distributed.all_gather_object(shares, own)
    return [shares[row % world][row // world] for row in range(len(rows))]
