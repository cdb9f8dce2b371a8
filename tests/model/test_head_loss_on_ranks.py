"""The loss out of the head in pieces, where ranks share a model: the losses of whole logits, under every strategy."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.model import heads
from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from launcher.train.engines.ops import choose_accelerator
from launcher.train.loop import train
from tests.train.ranks import examples, loop_of, on_ranks, rank_of, recipe, tiny_llama

WORLD, STEPS = 2, 4
ZERO3 = DeepSpeed(kind="deepspeed", zero_stage=3)
STRATEGIES: list[Strategy] = [Ddp(kind="ddp"), DeepSpeed(kind="deepspeed", zero_stage=2), ZERO3]


@dataclass(frozen=True)
class Case:
    strategy: Strategy
    tied: bool
    at_once: int
    """Tokens whose logits are there at a time."""


def losses(rank: int, world: int, folder: Path, case: Case) -> list[float]:
    """Of each step."""
    heads.LOGITS_AT_ONCE = 97 * case.at_once
    if isinstance(case.strategy, DeepSpeed):
        choose_accelerator("cpu")
    training = Training(max_steps=STEPS, per_device_train_batch_size=2, global_batch_size=8, learning_rate=0.01)
    model = tiny_llama()
    if not case.tied:
        untied = LlamaConfig(**{**model.config.to_dict(), "tie_word_embeddings": False})
        model = LlamaForCausalLM(untied)
        model.load_state_dict(tiny_llama().state_dict())
    rows = examples(STEPS * 8)
    rank_ = rank_of(rank, world, recipe(training, case.strategy), len(rows), folder)
    return [record.measured.loss for record in train(loop_of(rank_, model, rows))]


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "own head"])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda each: each.key)
def test_ranks_that_share_a_model_take_its_head_in_pieces(tmp_path: Path, strategy: Strategy, tied: bool) -> None:
    cases = [Case(strategy, tied, at_once) for at_once in (1_000, 4)]
    folders = [tmp_path / str(case.at_once) for case in cases]
    whole, pieces = (on_ranks(WORLD, folder, losses, folder, case) for folder, case in zip(folders, cases, strict=True))
    assert whole[0] == whole[1]
    assert pieces[0] == pytest.approx(whole[0], abs=1e-5)
    assert whole[0][-1] < whole[0][0]
