"""What a run leaves behind: scores of base and tuned model, and the model itself."""

import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from torch import distributed

from launcher.checkpoint.journal import Attempt, Journal
from launcher.checkpoint.manifest import folder_manifest
from launcher.data.encode import TestRow
from launcher.evaluate.scores import Scores
from launcher.model.adapt import TrainableModel, base_only
from launcher.model.release import BaseName, release
from launcher.storage.layout import BASE_SCORES, MODEL, tuned_scores
from launcher.storage.retry import Retry
from launcher.train.rank import Rank
from launcher.train.scoring import shared_scores
from launcher.train.weights import gathered_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Which = Literal["base", "tuned"]


def score_once(rank: Rank, which: Which, model: TrainableModel, rows: Sequence[TestRow], pad_id: int) -> Scores:
    """Scores of the test rows, which are stored too; an earlier attempt's scores of the base are kept."""
    name = BASE_SCORES if which == "base" else tuned_scores(rank.job.attempt)
    there = [rank.store.exists(name) if rank.leads else None]
    distributed.broadcast_object_list(there)
    if there[0]:
        stored: Scores = json.loads(rank.store.read(name))
        return stored
    with base_only(model) if which == "base" else nullcontext():
        scores = shared_scores(rank, model, rows, pad_id)
    if rank.leads:
        rank.store.ensure(name, json.dumps(scores).encode())
    return scores


def commit_model(rank: Rank, model: TrainableModel, tokenizer: "PreTrainedTokenizerBase", step: int) -> None:
    """Store what was trained in `step` steps as the run's model, and name it in the journal.

    Adapter or model with its tokenizer in Hugging Face layout; all ranks call it together, and rank 0 writes.
    """
    weights = gathered_weights(model, rank.job.recipe.strategy, keep=rank.leads)
    if rank.leads:
        with tempfile.TemporaryDirectory(prefix="ll-model-") as made:
            base = BaseName(rank.job.base.name_or_path, rank.job.base.revision)
            model.save_pretrained(made, state_dict=weights, **release(model, base))
            tokenizer.save_pretrained(made)
            manifest = folder_manifest(Path(made))
            Path(made, "MANIFEST.json").write_bytes(manifest.content)
            rank.store.upload(Path(made), MODEL)
        Attempt(Journal(rank.store, Retry()), rank.job.attempt, rank.job.nonce).commit(step, MODEL, manifest.digest)
    distributed.barrier()
