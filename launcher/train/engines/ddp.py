"""PyTorch's DistributedDataParallel: every rank holds everything."""

from contextlib import nullcontext

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from launcher.train.engines.engine import LossOf, Update


class DdpEngine:
    """DDP around a model and its optimiser; forward passes are autocast to `compute` where it is not fp32."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        max_grad_norm: float | None,
        compute: torch.dtype = torch.float32,
    ) -> None:
        device = next(model.parameters()).device
        self._model = DistributedDataParallel(
            model, device_ids=[device.index] if device.type == "cuda" else None, gradient_as_bucket_view=True
        )
        self._model.register_comm_hook(None, _sum_over_ranks)
        self._autocast = torch.autocast(device.type, torch.bfloat16, enabled=compute == torch.bfloat16)
        self._optimizer = optimizer
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._max_grad_norm = max_grad_norm if max_grad_norm is not None else float("inf")

    def accumulate(self, loss_of: LossOf, *, last: bool) -> torch.Tensor:
        with nullcontext() if last else self._model.no_sync():
            with self._autocast:
                loss = loss_of(self._model)
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def step(self) -> Update:
        norm = nn.utils.clip_grad_norm_(self._trained, self._max_grad_norm).item()
        self._optimizer.step()
        self._optimizer.zero_grad()
        return Update(norm, applied=True)


def _sum_over_ranks(
    state: None,
    bucket: distributed.GradBucket,  # type: ignore[name-defined]
) -> torch.futures.Future[torch.Tensor]:
    """DDP's reduction without its division: a loss scaled up by the ranks and averaged again is rounded otherwise."""
    work = distributed.all_reduce(bucket.buffer(), async_op=True)
    assert work is not None
    summed: torch.futures.Future[torch.Tensor] = work.get_future().then(lambda future: future.value()[0])
    return summed
