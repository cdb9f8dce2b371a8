"""Scores of test rows: log-likelihoods of candidate completions, or a head's log-probabilities."""

from collections.abc import Sequence

import torch
from torch import nn

from launcher.data.batch import pad
from launcher.data.encode import Question

Scores = list[list[float]]
"""For each row, a natural log-likelihood for each candidate or class."""


@torch.inference_mode()
def score(
    model: nn.Module, questions: Sequence[Question], *, pad_id: int, batch_size: int, device: torch.device
) -> Scores:
    """Scores in the order of `questions`; forward passes take rows of like length together."""
    model.eval()
    if not questions[0].candidates:
        return _score_head(model, questions, pad_id, batch_size, device)
    pairs = [(question, candidate) for question in questions for candidate in question.candidates]
    by_length = sorted(range(len(pairs)), key=lambda pair: len(pairs[pair][0].prompt_ids) + len(pairs[pair][1]))
    likelihoods = [0.0] * len(pairs)
    for start in range(0, len(pairs), batch_size):
        chosen = by_length[start : start + batch_size]
        values = _log_likelihoods(model, [pairs[pair] for pair in chosen], pad_id, device)
        for pair, value in zip(chosen, values, strict=True):
            likelihoods[pair] = value
    flat = iter(likelihoods)
    return [[next(flat) for _ in question.candidates] for question in questions]


def _log_likelihoods(
    model: nn.Module, pairs: Sequence[tuple[Question, list[int]]], pad_id: int, device: torch.device
) -> list[float]:
    """Sum over each completion's tokens of log p(token | what stands before it).

    Rows are padded on the left, so that completions end together and only their logits are computed.
    """
    rows = [question.prompt_ids + candidate for question, candidate in pairs]
    longest = max(map(len, rows))
    ids = pad([row[::-1] for row in rows], pad_id).flip(1).to(device)
    mask = pad([[1] * len(row) for row in rows], 0).flip(1).to(device)
    keep = min(max(len(candidate) for _, candidate in pairs) + 1, longest)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    output = model(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=keep)
    log_probabilities = output.logits[:, :-1].float().log_softmax(-1)
    targets = ids[:, -keep + 1 :]
    each = log_probabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return [float(line[-len(candidate) :].sum()) for line, (_, candidate) in zip(each, pairs, strict=True)]


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
