"""ZeRO 3 loads a model without any rank ever holding it whole."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from launcher.data.headlines import headlines
from launcher.model.scratch import make_tokenizer
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.recipe.method import Full, Lora, Method, QLora
from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.training import Training
from tests.train import ranks

DDP = Ddp(kind="ddp")
ZERO3 = DeepSpeed(kind="deepspeed", zero_stage=3)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """51 million weights, nearly all of them in linear layers: 203 MB in fp32."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = make_tokenizer([row["text"] for row in headlines(10, "seen", seed=0)], 512, 64)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=16,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="20MB")
    tokenizer.save_pretrained(folder)
    return folder


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """Bytes of this process's own memory (without mapped files), at their highest since the context was entered."""
    before, highest, ended = own_memory(), 0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not ended.wait(0.001):
            highest = max(highest, own_memory())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: max(highest, own_memory()) - before
    finally:
        ended.set()
        watching.join()


def own_memory() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon", "RssShmem")))


def load(rank: int, world: int, folders: list[str], method: Method, strategy: Strategy) -> tuple[int, int]:
    """Peak of the bytes that loading the last folder takes on this rank, and what stays.

    Loading the others before it brings in all libraries, which is not what is measured.
    """
    for folder in folders:
        recipe = ranks.recipe(Training(), strategy, method, folder)
        tokenizer = load_tokenizer(Path(folder), recipe.model)
        with peak_memory() as peak:
            before = own_memory()
            model = trainable_model(recipe, Path(folder), tokenizer, torch.device("cpu"))
            highest, stays = peak(), own_memory() - before
        assert model is not None
    return highest, stays


@pytest.mark.parametrize(("world", "limit"), [(2, 0.85), pytest.param(4, 0.7, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "method", [Full(kind="full"), Lora(kind="lora"), QLora(kind="qlora")], ids=lambda one: one.kind
)
def test_each_rank_takes_about_its_share_of_the_model(
    llama: Path, stories: Path, tmp_path: Path, method: Method, world: int, limit: float
) -> None:
    folders = [str(stories), str(llama)]
    found = ranks.on_ranks(world, tmp_path / "shared", load, folders, method, ZERO3)
    on_disk = sum(file.stat().st_size for file in llama.glob("*.safetensors"))
    if isinstance(method, QLora):  # 4 bits a weight and their constants, as one rank alone holds them
        ((_, whole),) = ranks.on_ranks(1, tmp_path / "alone", load, folders, method, DDP)
    else:
        whole = on_disk
    for rank, (peak, stays) in enumerate(found):
        print(
            f"{method.kind} rank {rank}: peak {peak / whole:.2f}, stays {stays / whole:.2f} of {whole / 2**20:.0f} MiB"
        )
    assert all(peak < limit * whole for peak, _ in found)
    assert all(stays < limit * whole for _, stays in found)
