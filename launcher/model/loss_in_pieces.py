"""Cross-entropy out of a head whose logits are never there as a whole, with its gradient taken in the same pass.

A piece of logits is made, and its loss, its gradient and that gradient's two products with the head's weight and its
input are taken before the next: nothing is computed twice, and backward only scales what there is.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from launcher.data.encode.example import IGNORED


def loss_in_pieces(rows: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, at_once: int) -> torch.Tensor:
    """Summed cross-entropy of `rows @ weight.T` against labels, of which IGNORED ones add nothing; in fp32 or better.

    Args:
        rows: (tokens, hidden).
        weight: (vocabulary, hidden).
        labels: (tokens,).
        at_once: Tokens whose logits are there at a time.
    """
    if torch.is_autocast_enabled(rows.device.type):
        rows = rows.to(torch.get_autocast_dtype(rows.device.type))
    found: torch.Tensor = _LossInPieces.apply(rows, weight, labels, at_once)  # type: ignore[no-untyped-call]
    return found


class _LossInPieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, at_once: int) -> torch.Tensor:
        of_rows = torch.empty_like(rows) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        losses = []
        with torch.autocast(rows.device.type, enabled=False):
            factor = weight.to(rows.dtype)
            for begin in range(0, len(rows), at_once):
                piece = slice(begin, begin + at_once)
                loss, of_logits = _piece(rows[piece] @ factor.T, labels[piece])
                losses.append(loss)
                if of_rows is not None:
                    torch.mm(of_logits, factor, out=of_rows[piece])
                if of_weight is not None:
                    _add_product(of_weight, of_logits.T, rows[piece])
        ctx.save_for_backward(of_rows, of_weight)
        return torch.stack(losses).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        """In place, so once; a second time autograd says that what was kept has been changed."""
        (gradient,) = gradients
        of_rows, of_weight = (None if each is None else each.mul_(gradient) for each in ctx.saved_tensors)
        return of_rows, of_weight, None, None


def _piece(logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss of (tokens, vocabulary) logits, and its gradient in their type: softmax, less one at the label."""
    wide = torch.promote_types(logits.dtype, torch.float32)
    logs = torch.log_softmax(logits, dim=-1, dtype=wide)
    loss = functional.nll_loss(logs, labels, ignore_index=IGNORED, reduction="sum")
    counted = (labels != IGNORED).to(wide)[:, None]
    gradient = logs.exp_().mul_(counted)
    gradient.scatter_add_(1, labels.clamp(min=0)[:, None], -counted)
    return loss, gradient.to(logits.dtype)


def _add_product(total: torch.Tensor, one: torch.Tensor, other: torch.Tensor) -> None:
    """Without a product of its own where the types allow it; gradients of fp32 weights are summed in fp32."""
    if total.dtype == one.dtype:
        total.addmm_(one, other)
    else:
        total.add_(one @ other)
