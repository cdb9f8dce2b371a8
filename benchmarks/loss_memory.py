"""What the loss of a large vocabulary takes of memory and time: logits whole, and in pieces out of the head.

4,096 tokens, a vocabulary of 128,256, fp32, CPU. Every side is a process of its own: its peak of resident memory
beyond what was there before the loss. Weights of the head are trained, or frozen as below adapters.

    .venv/bin/python -m benchmarks.loss_memory [--tokens 4096] [--vocabulary 128256] [--hidden 1024] [--rounds 3]
"""

import argparse
import multiprocessing
import statistics
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import nn

from launcher.data.batch import Batch
from launcher.model.head_loss import loss_in_head
from launcher.train.loss import summed_loss

SIDES = ("whole", "pieces")


@dataclass(frozen=True, slots=True)
class Found:
    seconds: float
    peak: int
    """Bytes beyond weights and hidden states."""
    loss: float
    gradients: tuple[torch.Tensor, ...]


class OnlyHead(nn.Module):
    """What is left of a Llama where its blocks are: hidden states, and a head."""

    def __init__(self, vocabulary: int, hidden: int, tokens: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.hidden = nn.Parameter(torch.randn(1, tokens, hidden))
        self.head = nn.Linear(hidden, vocabulary, bias=False)
        self.config = SimpleNamespace(model_type="llama")

    def get_output_embeddings(self) -> nn.Linear:
        return self.head

    def forward(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head(self.hidden))


def peak_bytes() -> int:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(line.split()[1])


def measure(side: str, *, trained: bool, sizes: tuple[int, int, int]) -> Found:
    torch.set_num_threads(2)
    tokens = sizes[2]
    model = OnlyHead(*sizes)
    model.head.weight.requires_grad_(trained)
    if side == "pieces":
        assert loss_in_head(model)  # type: ignore[arg-type]
    ids = torch.randint(0, sizes[0], (1, tokens))
    batch = Batch(ids, torch.ones_like(ids), ids, tokens=tokens, label_tokens=tokens - 1)
    before, began = peak_bytes(), time.perf_counter()
    loss = summed_loss(model, batch)
    (loss / tokens).backward()
    seconds = time.perf_counter() - began
    gradients = tuple(each.grad for each in model.parameters() if each.grad is not None)
    return Found(seconds, peak_bytes() - before, float(loss), gradients)


def _send(side: str, trained: bool, sizes: tuple[int, int, int], to: Connection) -> None:
    torch.multiprocessing.set_sharing_strategy("file_system")
    found = measure(side, trained=trained, sizes=sizes)
    to.send((found.seconds, found.peak, found.loss, [each.numpy() for each in found.gradients]))


def alone(side: str, *, trained: bool, sizes: tuple[int, int, int]) -> Found:
    """In a process of its own, as a peak is never taken back."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(side, trained, sizes, there))
    process.start()
    seconds, peak, loss, gradients = here.recv()
    process.join()
    return Found(seconds, peak, loss, tuple(map(torch.from_numpy, gradients)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--vocabulary", type=int, default=128_256)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    sizes = (chosen.vocabulary, chosen.hidden, chosen.tokens)
    print(f"{chosen.tokens:,} tokens, vocabulary {chosen.vocabulary:,}, hidden size {chosen.hidden:,}, fp32")
    print(f"{'head':<8} {'logits':<7} {'peak MB':>8} {'seconds':>8} {'ratio':>6}   largest difference of a gradient")
    for trained in (True, False):
        rounds = [{side: alone(side, trained=trained, sizes=sizes) for side in SIDES} for _ in range(chosen.rounds)]
        whole, pieces = (rounds[0][side].gradients for side in SIDES)
        furthest = max(
            float((one - other).abs().max() / other.abs().max()) for one, other in zip(pieces, whole, strict=True)
        )
        for side in SIDES:
            peak = statistics.median(each[side].peak for each in rounds) / 1e6
            seconds = statistics.median(each[side].seconds for each in rounds)
            ratio = statistics.median(each[side].seconds / each["whole"].seconds for each in rounds)
            told = f"{furthest:.1e}" if side == "pieces" else ""
            name = "trained" if trained else "frozen"
            print(f"{name:<8} {side:<7} {peak:>8,.0f} {seconds:>8.2f} {ratio:>6.2f}   {told}")


if __name__ == "__main__":
    main()
