"""Scores of test rows: log-likelihoods of candidate completions or of a text, or a head's log-probabilities."""

from collections.abc import Sequence

import torch
from torch import nn

from launcher.data.batch import pad
from launcher.data.encode import IGNORED, Example, Question, TestRow
from launcher.evaluate.scores import Scores
from launcher.model.head_loss import Labelled, asking, summed_cross_entropy


@torch.no_grad()  # not inference mode: ZeRO 3 trains on with what it gathers here
def score(model: nn.Module, rows: Sequence[TestRow], *, pad_id: int, batch_size: int, device: torch.device) -> Scores:
    """Scores in the order of `rows`; forward passes take texts of like length together."""
    model.eval()
    questions = [row for row in rows if isinstance(row, Question) and not row.candidates]
    if questions:
        return _score_head(model, questions, pad_id, batch_size, device)
    texts = [_texts(row) for row in rows]
    flat = [text for each in texts for text in each]
    by_length = sorted(range(len(flat)), key=lambda text: len(flat[text].input_ids))
    likelihoods = [0.0] * len(flat)
    for start in range(0, len(flat), batch_size):
        chosen = by_length[start : start + batch_size]
        values = _log_likelihoods(model, [flat[text] for text in chosen], pad_id, device)
        for text, value in zip(chosen, values, strict=True):
            likelihoods[text] = value
    scored = iter(likelihoods)
    return [[next(scored) for _ in each] for each in texts]


def _texts(row: TestRow) -> list[Example]:
    """The texts whose labels are weighed: of a question, each candidate after its prompt."""
    if isinstance(row, Example):
        return [row]
    masked = [IGNORED] * len(row.prompt_ids)
    return [Example(row.prompt_ids + each, masked + each, truncated=False) for each in row.candidates]


def _log_likelihoods(model: nn.Module, texts: Sequence[Example], pad_id: int, device: torch.device) -> list[float]:
    """Sum over each text's labels of log p(label | what stands before it).

    Rows are padded on the left, so that completions end together and only what they end with goes through the head. One
    that can gives the labels' losses itself; the logits of another are all there.
    """
    ids = pad([text.input_ids[::-1] for text in texts], pad_id).flip(1).to(device)
    mask = pad([[1] * len(text.input_ids) for text in texts], 0).flip(1).to(device)
    keep = min(max(map(_reach, texts)) + 1, ids.shape[1])
    labels = pad([text.labels[::-1] for text in texts], IGNORED).flip(1)[:, -keep:]
    counts = (labels[:, 1:] != IGNORED).sum(1).tolist()
    labels = labels.to(device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with asking(Labelled.of(labels, sum(counts), each=True)):
        found = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep).logits
    if found.dim() == 1:
        return (-torch.stack([each.sum() for each in found[: sum(counts)].split(counts)])).tolist()
    return [-float(summed_cross_entropy(*each)) for each in zip(found[:, :-1], labels[:, 1:], strict=True)]


def _reach(text: Example) -> int:
    """Tokens from a text's first label to its end."""
    return len(text.labels) - next(place for place, label in enumerate(text.labels) if label != IGNORED)


def _score_head(
    model: nn.Module, questions: Sequence[Question], pad_id: int, batch_size: int, device: torch.device
) -> Scores:
    by_length = sorted(range(len(questions)), key=lambda row: len(questions[row].prompt_ids))
    scores: Scores = [[] for _ in questions]
    for start in range(0, len(questions), batch_size):
        chosen = by_length[start : start + batch_size]
        rows = [questions[row].prompt_ids for row in chosen]
        ids = pad(rows, pad_id).to(device)
        mask = pad([[1] * len(row) for row in rows], 0).to(device)
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
        for row, values in zip(chosen, logits.log_softmax(-1).tolist(), strict=True):
            scores[row] = values
    return scores
