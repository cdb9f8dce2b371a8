"""What the plan says that forward passes keep, against what autograd really saves."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM

from launcher.data.encode import Example
from launcher.data.packed_batch import PackedBatch, collate_packs
from launcher.model import heads
from launcher.model.head_loss import loss_in_head
from launcher.model.packing import use_varlen
from launcher.model.precision import PRECISIONS, autocast
from launcher.model.scratch import make_tokenizer
from launcher.model.tokenizer import load_tokenizer
from launcher.model.trainable import trainable_model
from launcher.plan import activations
from launcher.plan.activations import identities, saved_bytes
from launcher.plan.memory import setting_of
from launcher.plan.setting import Setting
from launcher.plan.states import working_weights
from launcher.recipe.method import Full, Lora, Method, QLora
from launcher.recipe.quantization import Quantization
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import Ddp, DeepSpeed, Strategy
from launcher.recipe.task import SequenceClassification
from launcher.recipe.training import Training
from launcher.train.loss import summed_loss
from tests.packs import gathered
from tests.train.ranks import recipe

ROWS = 2
LENGTHS = (64, 128, 256)
SHAPE: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 352,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
}
DDP, ZERO, ZERO3 = Ddp(kind="ddp"), *(DeepSpeed(kind="deepspeed", zero_stage=stage) for stage in (2, 3))
FULL, LORA, QLORA = Full(kind="full"), Lora(kind="lora", r=8), QLora(kind="qlora", r=8)
INT8 = QLora(kind="qlora", r=8, quantization=Quantization(type="int8"))
FEW = Lora(kind="lora", r=8, target_modules=["q_proj", "v_proj"])
DROPPED = Lora(kind="lora", r=8, lora_dropout=0.1)
DORA = Lora(kind="lora", r=8, use_dora=True)


@dataclass(frozen=True)
class Rows:
    """A micro-batch with a label for each token, whose second row's last ones are masked."""

    input_ids: torch.Tensor
    padding: int
    labels: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", self.input_ids)

    @property
    def label_tokens(self) -> int:
        return self.labels.numel()

    @property
    def inputs(self) -> dict[str, torch.Tensor]:
        mask = torch.ones_like(self.input_ids)
        mask[1, self.input_ids.shape[1] - self.padding :] = 0
        return {"input_ids": self.input_ids, "attention_mask": mask}


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = make_tokenizer(["a good day and a bad day"], vocab_size=262, max_length=1024)
    LlamaForCausalLM(LlamaConfig(**SHAPE, vocab_size=1000, max_position_embeddings=1024)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors are not worth more, least of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def saved(model: nn.Module, batch: Rows | PackedBatch, precision: str, *, cast: bool) -> int:
    """Bytes of everything that a forward pass with its loss keeps, weights left out and each storage once."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, tuple[int, torch.Tensor]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that its place is not taken by another
        return tensor

    forward = autocast("fp32" if cast else precision, torch.device("cpu"))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), forward:
        loss = summed_loss(model, batch)  # type: ignore[arg-type]
    loss.backward()
    return sum(size for size, _ in kept.values())


def planned(setting: Setting) -> int:
    """What is kept when backward begins."""
    beside = [*identities(setting), *(term for term in working_weights(setting) if term.name.startswith("16-bit"))]
    return saved_bytes(setting) + sum(term.size for term in beside if "loss" in term.phases)


def made(method: Method, strategy: Strategy, folder: Path, **training: Any) -> Recipe:
    return recipe(Training(per_device_train_batch_size=ROWS, **training), strategy, method, str(folder))


def cases() -> Iterator[Any]:
    names = {"full": FULL, "lora": LORA, "nf4": QLORA, "int8": INT8, "few": FEW, "drop": DROPPED}
    for name, method in names.items():
        for precision, strategy in (("fp32", DDP), ("bf16", DDP), ("bf16", ZERO)):
            for checkpointing in (False, True):
                label = f"{name}-{precision}-{strategy.key}{'-checkpointing' * checkpointing}"
                yield pytest.param(method, precision, strategy, checkpointing, id=label)
    yield pytest.param(LORA, "bf16", ZERO3, False, id="lora-bf16-zero3")
    yield pytest.param(DORA, "bf16", DDP, False, id="dora-bf16-ddp")


def kept_of_a_llama(folder: Path, method: Method, strategy: Strategy, **options: Any) -> Iterator[tuple[int, int]]:
    """At each length, bytes that the plan says and that autograd keeps."""
    model = trained_model(made(method, strategy, folder, **options), folder)
    for length in LENGTHS:
        asked = made(method, strategy, folder, **options, max_length=length)
        setting = setting_of(asked, {**SHAPE, "model_type": "llama", "vocab_size": 1000}, world=1, device="cpu")
        assert setting is not None
        batch = Rows(torch.randint(5, 200, (ROWS, length)), padding=length // 4)
        yield planned(setting), saved(model, batch, options["precision"], cast=setting.cast)


@pytest.mark.parametrize(("method", "precision"), [(FULL, "fp32"), (FULL, "bf16"), (LORA, "fp32"), (LORA, "bf16")])
def test_logits_that_are_never_there_as_a_whole_are_not_kept(
    llama: Path, method: Method, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [kept for _, kept in kept_of_a_llama(llama, method, DDP, precision=precision)]
    for module in (heads, activations):
        monkeypatch.setattr(module, "LOGITS_AT_ONCE", 16 * 1000)
    pieces = list(kept_of_a_llama(llama, method, DDP, precision=precision))
    for told, kept in pieces:
        assert told == pytest.approx(kept, rel=0.1)
    gradient = 4 * 1000 * SHAPE["hidden_size"] if method is FULL else 0
    for length, before, (_, kept) in zip(LENGTHS, whole, pieces, strict=True):
        spared = 4 * (1000 - SHAPE["hidden_size"]) * ROWS * length - gradient
        assert before - kept >= spared, "logits, less the gradients of what they come from"


@pytest.mark.parametrize(("method", "precision", "strategy", "checkpointing"), cases())
def test_what_a_llama_keeps_for_backward_is_within_a_tenth(
    llama: Path, method: Method, precision: str, strategy: Strategy, checkpointing: bool
) -> None:
    for told, kept in kept_of_a_llama(
        llama, method, strategy, precision=precision, gradient_checkpointing=checkpointing
    ):
        assert told == pytest.approx(kept, rel=0.1)


@pytest.mark.parametrize("method", [FULL, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_packs_keep_is_within_a_tenth(llama: Path, method: Method, precision: str) -> None:
    """Of 8 documents a row, so that there is no mask."""
    for length in LENGTHS:
        asked = made(method, DDP, llama, precision=precision, packing=True, max_length=length)
        setting = setting_of(asked, {**SHAPE, "model_type": "llama", "vocab_size": 1000}, world=1, device="cpu")
        assert setting is not None
        model = trained_model(asked, llama)
        assert use_varlen(model, torch.device("cpu"), PRECISIONS[precision])
        ids = [list(range(5, 5 + length // 8))] * 8
        packs = [[Example(each, each, truncated=False) for each in ids]] * ROWS
        batch = collate_packs(gathered(packs, pad_id=0))
        assert planned(setting) == pytest.approx(saved(model, batch, precision, cast=setting.cast), rel=0.1)


def trained_model(asked: Recipe, folder: Path) -> nn.Module:
    """In the types that DeepSpeed leaves it in, which at stage 3 does not cast adapters: see test_memory.py."""
    whole = asked.model_copy(update={"strategy": DDP})
    model = trainable_model(whole, folder, load_tokenizer(folder, asked.model), torch.device("cpu"))
    if asked.strategy.kind == "deepspeed" and asked.training.precision == "bf16":
        for weight in model.parameters():
            if weight.is_floating_point() and not (asked.strategy.key == "zero3" and weight.requires_grad):
                weight.data = weight.data.to(PRECISIONS["bf16"])
    loss_in_head(model)
    return model.train()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_a_bert_keeps_for_backward_is_within_a_tenth(precision: str, length: int) -> None:
    shape = {name: value for name, value in SHAPE.items() if name != "num_key_value_heads"}
    config = BertConfig(**shape, vocab_size=300)
    task = SequenceClassification(kind="classification", labels=["good", "bad"])
    asked = made(FULL, DDP, Path("/nowhere"), precision=precision, max_length=length).model_copy(update={"task": task})
    setting = setting_of(asked, config.to_dict(), world=1, device="cpu")
    assert setting is not None
    model = BertForSequenceClassification(config).train()
    batch = Rows(torch.randint(5, 200, (ROWS, length)), padding=length // 4)
    object.__setattr__(batch, "labels", torch.tensor([0, 1]))
    assert planned(setting) == pytest.approx(saved(model, batch, precision, cast=False), rel=0.1)
