"""Noise on the embeddings, in training only."""

import math

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM

from launcher.model.neftune import add_neftune

ALPHA, WIDTH, TOKENS = 5.0, 32, 16
IDS = torch.arange(TOKENS).repeat(64, 1)


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=64, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    )


def adapted(**options):
    return get_peft_model(llama(), LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", **options))


def bert() -> BertForSequenceClassification:
    return BertForSequenceClassification(
        BertConfig(vocab_size=64, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    )


MODELS = {
    "llama": llama,
    "adapters": adapted,
    "an embedding trained whole beside adapters": lambda: adapted(modules_to_save=["embed_tokens"]),
    "bert": bert,
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_noise_is_uniform_within_alpha_over_the_root_of_tokens_times_width(make):
    model = make().train()
    embed = model.get_input_embeddings()
    before = embed(IDS)
    add_neftune(model, ALPHA)
    noise = (embed(IDS) - before).detach()
    bound = ALPHA / math.sqrt(TOKENS * WIDTH)
    assert 0.99 * bound < noise.abs().max() <= bound * 1.00001
    assert noise.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert abs(noise.mean().item()) < 0.02 * bound


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_there_is_no_noise_outside_training(make):
    model = make().eval()
    before = model(IDS[:2]).logits
    add_neftune(model, ALPHA)
    assert torch.equal(model(IDS[:2]).logits, before)
    model.train()
    assert not torch.equal(model(IDS[:2]).logits, before)


def test_the_seed_of_a_micro_batch_tells_its_noise():
    model = llama().train()
    add_neftune(model, ALPHA)

    def logits(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return model(IDS[:2]).logits

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


def test_gradients_reach_the_embedding_and_checkpointing_keeps_them():
    gradients = []
    for checkpointing in (False, True):
        model = llama().train()
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        add_neftune(model, ALPHA)
        torch.manual_seed(3)
        model(IDS[:2], labels=IDS[:2]).loss.backward()
        gradients.append(model.get_input_embeddings().weight.grad)
    assert gradients[0].abs().sum() > 0
    assert torch.equal(*gradients)
