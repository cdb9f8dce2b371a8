"""What a run leaves behind: scores of base and tuned model, the model itself, and the commit that names it."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import distributed

from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.manifest import folder_manifest
from launcher.data.encode import Question
from launcher.evaluate.score import Scores, score
from launcher.model.adapt import TrainableModel, base_only
from launcher.storage.layout import BASE_SCORES, MODEL, tuned_scores
from launcher.train.rank import Rank

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Which = Literal["base", "tuned"]


def score_once(rank: Rank, which: Which, model: TrainableModel, questions: Sequence[Question], pad_id: int) -> None:
    """Score the test rows, shared out over the ranks, and store the scores; an earlier attempt's are kept."""
    name = BASE_SCORES if which == "base" else tuned_scores(rank.job.attempt)
    there = [rank.store.exists(name) if rank.leads else None]
    distributed.broadcast_object_list(there)
    if there[0]:
        return
    recipe, mine = rank.job.recipe, questions[rank.number :: rank.world]
    autocast = torch.autocast(rank.device.type, torch.bfloat16, enabled=recipe.training.precision == "bf16")
    own: Scores = []
    if mine:
        with autocast, base_only(model) if which == "base" else nullcontext():
            size = recipe.evaluation.batch_size
            own = score(model, mine, pad_id=pad_id, batch_size=size, device=rank.device)
    shares: list[Scores] = [[] for _ in range(rank.world)]
    distributed.all_gather_object(shares, own)
    if rank.leads:
        scores = [shares[row % rank.world][row // rank.world] for row in range(len(questions))]
        rank.store.create(name, json.dumps(scores).encode())


def commit_model(rank: Rank, model: TrainableModel, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Store adapter or model with its tokenizer in Hugging Face layout, and name it in the journal."""
    job = rank.job
    with tempfile.TemporaryDirectory(prefix="ll-model-") as name:
        folder = Path(name)
        model.save_pretrained(name)
        tokenizer.save_pretrained(name)
        manifest = folder_manifest(folder)
        (folder / "MANIFEST.json").write_bytes(manifest.content)
        rank.store.upload(folder, MODEL)
    Attempt(Journal(rank.store), job.attempt, job.nonce).commit(job.batches.steps, MODEL, manifest.digest)
