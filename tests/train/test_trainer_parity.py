"""The loop's losses are those of Hugging Face's Trainer on the same batches."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Trainer, TrainingArguments

from launcher.recipe.strategy import Ddp
from launcher.recipe.training import Training
from launcher.train.loop import train
from tests.memory_set import MemorySet
from tests.packs import collate
from tests.train.ranks import examples, loop_of, on_ranks, rank_of, recipe, tiny_llama

STEPS, BATCH, ROWS = 20, 8, 50
TRAINING = Training(
    max_steps=STEPS,
    global_batch_size=BATCH,
    per_device_train_batch_size=BATCH,
    learning_rate=3e-3,
    lr_scheduler_type="cosine",
    warmup_steps=3,
    weight_decay=0.1,
    max_grad_norm=0.5,
    seed=7,
)


def our_losses(rank: int, world: int, folder: Path) -> list[float]:
    me = rank_of(rank, world, recipe(TRAINING, Ddp(kind="ddp")), ROWS, folder)
    return [record.measured.loss for record in train(loop_of(me, tiny_llama(), examples(ROWS)))]


class Recording(Trainer):
    """Keeps each step's loss as it is computed; the log has four digits only."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.losses: list[float] = []

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        loss = super().compute_loss(*arguments, **named)
        self.losses.append(float(loss.detach()))
        return loss

    def _get_train_sampler(self, *_: Any) -> None:
        return None  # rows come in the order in which they stand


def their_losses(folder: Path) -> list[float]:
    rows = examples(ROWS)
    order = [row for step in MemorySet(rows).order(TRAINING, STEPS, BATCH) for row in step]
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=BATCH,
        learning_rate=TRAINING.learning_rate,
        lr_scheduler_type=TRAINING.lr_scheduler_type,
        warmup_steps=TRAINING.warmup_steps,
        weight_decay=TRAINING.weight_decay,
        max_grad_norm=TRAINING.max_grad_norm,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        remove_unused_columns=False,
        disable_tqdm=True,
    )
    trainer = Recording(
        model=tiny_llama(),
        args=arguments,
        train_dataset=[rows[row] for row in order],
        data_collator=lambda batch: vars_of(collate(batch, pad_id=0)),
    )
    trainer.train()
    return trainer.losses


def vars_of(batch: Any) -> dict[str, torch.Tensor]:
    return {name: getattr(batch, name).long() for name in ("input_ids", "attention_mask", "labels")}


@pytest.mark.parametrize("world", [1, 2])
def test_the_first_20_losses_are_those_of_the_hugging_face_trainer(tmp_path: Path, world: int) -> None:
    torch.set_num_threads(1)
    ours = on_ranks(world, tmp_path / "ours", our_losses, tmp_path)[0]
    theirs = their_losses(tmp_path / "theirs")
    difference = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    print(f"{world} ranks: largest difference of a loss {difference:.1e}; from {ours[0]:.4f} to {ours[-1]:.4f}")
    assert ours[-1] < ours[0] - 0.1
    assert difference <= 1e-5
