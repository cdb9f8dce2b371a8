"""The loss out of a model's head: that of whole logits, in value and gradient, and with less memory."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from launcher.data.batch import Batch
from launcher.data.encode.example import IGNORED, Example
from launcher.model import heads
from launcher.model.head_loss import loss_in_head
from launcher.train.loss import summed_loss
from tests.packs import collate

VOCABULARY, HIDDEN = 1000, 64


def llama(**more: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCABULARY, use_cache=False, pad_token_id=0, **(sizes | more)))


def batch(masked: int = 20) -> Batch:
    """Rows of three lengths, whose first tokens are a prompt without labels."""
    generator = torch.Generator().manual_seed(1)
    ids = [torch.randint(1, VOCABULARY, (length,), generator=generator).tolist() for length in (60, 41, 23)]
    return collate([Example(row, [IGNORED] * masked + row[masked:], truncated=False) for row in ids], pad_id=0)


def gradients(model: nn.Module, data: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = summed_loss(model, data)
    (loss / data.label_tokens).backward()
    named = {name: each.grad.clone() for name, each in model.named_parameters() if each.grad is not None}
    return loss.detach(), named


def check_same(found: tuple[torch.Tensor, dict[str, torch.Tensor]], wanted: Any, within: float) -> None:
    assert float(found[0]) == pytest.approx(float(wanted[0]), rel=within)
    assert found[1].keys() == wanted[1].keys()
    for name, gradient in found[1].items():
        assert (gradient - wanted[1][name]).abs().max() <= within * wanted[1][name].abs().max(), name


@pytest.fixture(params=["whole", "pieces"])
def piece(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pieces":
        monkeypatch.setattr(heads, "LOGITS_AT_ONCE", 16 * VOCABULARY)


@pytest.mark.parametrize("more", [{}, {"tie_word_embeddings": True}], ids=["own head", "tied head"])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_loss_and_gradients_are_those_of_whole_logits(
    piece: None, dtype: torch.dtype, within: float, more: dict[str, Any]
) -> None:
    model = llama(**more).to(dtype)
    wanted = gradients(model, batch())
    assert loss_in_head(model)
    check_same(gradients(model, batch()), wanted, within)


@pytest.mark.parametrize("family", sorted(heads.PLAIN_HEADS))
def test_every_family_that_is_named_gives_what_comes_out_of_its_head(piece: None, family: str) -> None:
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4}
    more = {"num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(family, vocab_size=VOCABULARY, **sizes, **more))
    wanted = gradients(model, batch())
    assert loss_in_head(model)
    check_same(gradients(model, batch()), wanted, 1e-5)


def test_a_family_that_scales_its_logits_gives_them_as_before() -> None:
    sizes = {"hidden_size": HIDDEN, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("granite", vocab_size=VOCABULARY, **sizes))
    assert not loss_in_head(model)


def test_under_autocast_too(piece: None) -> None:
    model = llama()
    with torch.autocast("cpu", torch.bfloat16):
        wanted = gradients(model, batch())
        loss_in_head(model)
        found = gradients(model, batch())
    assert found[0].dtype == torch.float32
    check_same(found, wanted, 2e-2)


def test_a_frozen_head_below_adapters_passes_the_gradient_on(piece: None) -> None:
    model = get_peft_model(llama(), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    wanted = gradients(model, batch())
    assert loss_in_head(model)
    check_same(gradients(model, batch()), wanted, 1e-5)


@pytest.mark.parametrize(
    "adapted",
    [LoraConfig(target_modules=["lm_head"]), LoraConfig(target_modules=["q_proj"], modules_to_save=["lm_head"])],
)
def test_an_adapted_head_gives_logits(adapted: LoraConfig) -> None:
    model = get_peft_model(llama(), adapted)
    assert not loss_in_head(model)
    assert summed_loss(model, batch()).dim() == 0


def test_logits_come_as_before_where_no_loss_is_asked_for(stories: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(stories)
    ids = torch.arange(3, 40)[None]
    wanted = model(input_ids=ids).logits
    loss_in_head(model)
    assert torch.equal(model(input_ids=ids).logits, wanted)


def test_a_batch_without_labels_adds_nothing() -> None:
    model, data = llama(), batch(masked=60)
    loss_in_head(model)
    loss = summed_loss(model, data)
    loss.backward()
    assert loss == 0
    assert all(each.grad is None or not each.grad.any() for each in model.parameters())


class Widest(TorchDispatchMode):
    """The most logits that any operation gives."""

    most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, torch.Tensor) and found.shape[-1:] == (VOCABULARY,) and len(found) != HIDDEN:
            self.most = max(self.most, found.numel())
        return found


@pytest.mark.parametrize("at_once", [16, 10_000])
def test_logits_are_never_there_as_a_whole_where_they_are_many(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(heads, "LOGITS_AT_ONCE", at_once * VOCABULARY)
    model, data = llama(), batch(masked=10)
    loss_in_head(model)
    with Widest() as widest:
        summed_loss(model, data).backward()
    assert widest.most == min(at_once, data.label_tokens) * VOCABULARY
