"""A pack says what its documents say alone, and teaches what they teach alone."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedModel

from launcher.data.encode import IGNORED, Example, encode_rows
from launcher.data.headlines import headlines
from launcher.data.packed_batch import collate_packs, weightless_pack
from launcher.data.rows import Row
from launcher.model.adapt import TrainableModel, adapt
from launcher.model.document_attention import KERNELS, attend_on_gpu
from launcher.model.load import load_model
from launcher.model.packing import VARLEN, has_varlen, register_varlen, use_varlen, varlen_attention
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.packing import PACKABLE
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Text
from launcher.train.loss import summed_loss
from tests.packs import PACKS, alone, documents, gathered

CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
"""Largest difference, relative. In fp32 the real model's logits, up to 20, are 2.8e-5 off fp64's of the same document,
so two ways to compute one cannot agree better; fp64 tells a leak from rounding."""
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE)
LEAK = 1e-2
"""Logits are at least this far off, relative to the largest, where a document reads another."""
Packs = list[list[Example]]
Make = Callable[..., TrainableModel]


def base(stories: Path, recipe_of: Callable[..., Recipe], **sections: Any) -> TrainableModel:
    model = {"kind": "pretrained", "name_or_path": str(stories)}
    recipe = recipe_of(model=model, **sections)
    return adapt(load_model(recipe, stories, load_tokenizer(stories, recipe.model), CPU), recipe)


@pytest.fixture(params=["stories", "stories with adapters", "stories recomputed", "adapters recomputed", "tiny llama"])
def model(request: pytest.FixtureRequest, stories: Path, recipe_of: Callable[..., Recipe]) -> TrainableModel:
    """In training mode, without dropout: gradients are checkpointed there only."""
    if request.param == "tiny llama":
        return small("llama").train()
    method = {"kind": "lora"} if "adapters" in request.param else {"kind": "full"}
    training = {"gradient_checkpointing": "recomputed" in request.param}
    made = base(stories, recipe_of, method=method, training=training)
    if isinstance(made, PeftModel):
        torch.manual_seed(2)
        for name, weight in made.named_parameters():
            if "lora_B" in name:  # zero at the start, so that adapters would say nothing
                nn.init.normal_(weight, std=0.1)
    return made.train()


@pytest.fixture
def texts(stories: Path, recipe_of: Callable[..., Recipe]) -> Packs:
    """Real texts, cut to awkward lengths."""
    tokenizer = load_tokenizer(stories, recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}).model)
    rows = [Row(row, None) for row in headlines(10, "seen", seed=0)]
    read = encode_rows(rows, Text(kind="text"), tokenizer, 128)
    return [[_cut(next(read), length) for length in lengths] for lengths in PACKS]


def _cut(example: Example, length: int) -> Example:
    ids = example.input_ids[:length]
    return Example(ids, [IGNORED, *ids[1:]], truncated=True)


def together(model: nn.Module, packs: Packs, **changes: Any) -> torch.Tensor:
    """Logits of all documents in one batch, one after another: (tokens, vocabulary). Padding is left out."""
    batch = collate_packs(gathered(packs, pad_id=0))
    logits = model(**{**batch.inputs, **changes}).logits
    filled = [sum(len(each.input_ids) for each in pack) for pack in packs]
    return torch.cat([row[:tokens] for row, tokens in zip(logits, filled, strict=True)])


def furthest(found: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference of a logit, relative to the largest logit."""
    return float((found - expected).detach().abs().max() / expected.detach().abs().max())


def summed_alone(model: nn.Module, packs: Packs) -> torch.Tensor:
    """The documents' losses, each from a forward pass of its own, by PyTorch alone."""
    targets = [torch.tensor(document.labels[1:]) for pack in packs for document in pack]
    losses = [
        functional.cross_entropy(logits[:-1], target, reduction="sum", ignore_index=IGNORED)
        for logits, target in zip(alone(model, packs), targets, strict=True)
        if len(target)
    ]
    return torch.stack(losses).sum()


def gradients(model: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@DTYPES
def test_a_pack_says_what_its_documents_say_alone(model: TrainableModel, texts: Packs, dtype: torch.dtype) -> None:
    model.to(dtype)
    for packs in (texts, *([pack] for pack in texts)):
        assert furthest(together(model, packs), torch.cat(alone(model, packs))) < TOLERANCE[dtype]


@pytest.mark.parametrize("change", ["a mask of padding", "a cache"])
def test_without_blocks_documents_read_one_another(stories: Path, texts: Packs, change: str) -> None:
    model = AutoModelForCausalLM.from_pretrained(stories)
    pack = [max(texts, key=len)]
    ones = torch.ones_like(collate_packs(gathered(pack, pad_id=0)).input_ids)
    changes = {"attention_mask": ones} if change == "a mask of padding" else {"use_cache": True}
    assert furthest(together(model, pack, **changes), torch.cat(alone(model, pack))) > LEAK


def test_positions_restart_or_documents_read_one_another(stories: Path, texts: Packs) -> None:
    model = AutoModelForCausalLM.from_pretrained(stories)
    pack = [max(texts, key=len)]
    assert furthest(together(model, pack, position_ids=None), torch.cat(alone(model, pack))) > LEAK


@DTYPES
def test_the_gradient_of_a_pack_is_the_sum_of_its_documents(
    model: TrainableModel, texts: Packs, dtype: torch.dtype
) -> None:
    model.to(dtype)
    batch = collate_packs(gathered(texts, pad_id=0))
    found, expected = summed_loss(model, batch), summed_alone(model, texts)
    torch.testing.assert_close(found, expected, rtol=TOLERANCE[dtype], atol=0)
    one, other = gradients(model, found), gradients(model, expected)
    assert one.keys() == other.keys()
    differences = {name: float((one[name] - other[name]).norm() / other[name].norm()) for name in other}
    print(f"{dtype}: {max(differences.values()):.1e}")
    assert max(differences.values()) < TOLERANCE[dtype], differences


def test_the_loss_of_a_weightless_pack_and_its_gradient_are_0_for_every_weight(model: TrainableModel) -> None:
    loss = summed_loss(model, weightless_pack(pad_id=0))
    found = gradients(model, loss)
    assert loss.item() == 0
    assert found.keys() == {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert not any(gradient.any() for gradient in found.values())


SIZES = {"hidden_size": 32, "intermediate_size": 44, "num_hidden_layers": 2, "num_attention_heads": 4}
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
WINDOW = {"sliding_window": 6}
OF_ITS_KIND: dict[str, dict[str, Any]] = {
    "gemma": {"head_dim": 8},
    "gemma3_text": {"head_dim": 8, **WINDOW},
    "mistral": WINDOW,
    "mixtral": {"num_local_experts": 4, **WINDOW},
    "olmo3": WINDOW,
    "phi3": WINDOW,
    "qwen2": {"use_sliding_window": True, "max_window_layers": 1, **WINDOW},
    "qwen3": {"head_dim": 8, "use_sliding_window": True, "max_window_layers": 1, **WINDOW},
    "qwen3_moe": {"head_dim": 8, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    "opt": {"ffn_dim": 44, "word_embed_proj_dim": 32},
}
"""What a small model needs beside the common sizes; windows are shorter than most documents."""


def small(kind: str, auto: Any = AutoModelForCausalLM) -> PreTrainedModel:
    """A random model that attends sharply enough for a leak to show."""
    shape = {**SIZES, **ENDS, "num_key_value_heads": 2, "vocab_size": 512, "max_position_embeddings": 64}
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **shape, initializer_range=0.2, **OF_ITS_KIND.get(kind, {}))
    return auto.from_config(config).eval()


@pytest.mark.parametrize("kind", sorted(PACKABLE))
@torch.no_grad()
def test_each_model_of_the_table_keeps_documents_apart(kind: str) -> None:
    model, packs = small(kind), documents()
    assert furthest(together(model, packs), torch.cat(alone(model, packs))) < TOLERANCE[torch.float32]


@pytest.mark.parametrize("kind", ["falcon", "opt"])
@torch.no_grad()
def test_models_outside_the_table_may_not(kind: str) -> None:
    model, packs = small(kind), documents()
    assert furthest(together(model, packs), torch.cat(alone(model, packs))) > LEAK


@torch.no_grad()
def test_an_encoder_reads_across_documents() -> None:
    model = small("bert", AutoModel)
    ids, positions = torch.tensor([[5, 6, 7, 8, 9]]), torch.tensor([[0, 1, 0, 1, 2]])
    packed = model(input_ids=ids, position_ids=positions).last_hidden_state[0, 2:]
    assert furthest(packed, model(input_ids=ids[:, 2:]).last_hidden_state[0]) > LEAK


def one_by_one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    borders: torch.Tensor,
    key_borders: torch.Tensor,
    longest: int,
    longest_key: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """What PyTorch's kernel, which no CPU has, is documented to compute: (tokens, heads, width) as it takes them."""
    assert query.dtype == key.dtype == value.dtype
    assert torch.equal(borders, key_borders)
    assert longest == longest_key == int(borders.diff().max())
    left, right = window_size
    assert right == 0
    made = []
    for start, end in pairwise(borders.tolist()):
        past = torch.arange(end - start)[:, None] - torch.arange(end - start)
        seen = (past >= 0) & ((past <= left) | (left < 0))
        heads = [each[start:end].transpose(0, 1)[None] for each in (query, key, value)]
        attended = functional.scaled_dot_product_attention(*heads, attn_mask=seen, scale=scale, enable_gqa=enable_gqa)
        made.append(attended[0].transpose(0, 1))
    return torch.cat(made)


@pytest.fixture(params=["a GPU's, as documented", "a CPU's"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "a CPU's":
        monkeypatch.setattr("launcher.model.document_attention.varlen_attn", one_by_one)
        monkeypatch.setitem(KERNELS, "cpu", attend_on_gpu)
    register_varlen()


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("kind", sorted(PACKABLE))
@torch.no_grad()
def test_the_kernel_is_asked_for_what_the_mask_does(kind: str) -> None:
    model, packs = small(kind), documents()
    expected = torch.cat(alone(model, packs))
    model.set_attn_implementation(VARLEN)
    assert furthest(together(model, packs), expected) < TOLERANCE[torch.float32]
    assert furthest(torch.cat(alone(model, packs)), expected) < TOLERANCE[torch.float32]


@pytest.mark.usefixtures("kernel")
def test_gradients_through_the_kernel_are_those_through_the_mask(model: TrainableModel, texts: Packs) -> None:
    batch = collate_packs(gathered(texts, pad_id=0))
    model.double()
    expected = gradients(model, summed_loss(model, batch))
    model.set_attn_implementation(VARLEN)
    for name, gradient in gradients(model, summed_loss(model, batch)).items():
        assert float((gradient - expected[name]).norm() / expected[name].norm()) < 1e-12, name


@pytest.mark.usefixtures("kernel")
def test_under_autocast_the_kernel_gets_one_type(texts: Packs) -> None:
    model = small("llama")
    model.set_attn_implementation(VARLEN)
    with torch.autocast("cpu", torch.bfloat16):
        found = together(model, documents())
    assert furthest(found, together(model, documents())) < 0.2


@pytest.mark.usefixtures("kernel")
@torch.no_grad()
def test_padded_rows_are_scored_as_before(stories: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(stories)
    ids, mask = torch.tensor([[0, 0, 5, 6], [1, 7, 8, 9]]), torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    arguments = {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    expected = model(**arguments).logits
    model.set_attn_implementation(VARLEN)
    assert torch.equal(model(**arguments).logits, expected)


@pytest.mark.usefixtures("kernel")
@torch.no_grad()
def test_restarting_positions_without_borders_are_refused_by_the_kernel() -> None:
    model = small("llama")
    model.set_attn_implementation(VARLEN)
    with pytest.raises(AssertionError, match="no borders are given"):
        together(model, documents(), cu_seq_lens_q=None)


@pytest.mark.parametrize("window", [None, 6])
def test_pytorchs_kernel_takes_what_it_is_given(window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KERNELS, "cpu", attend_on_gpu)
    with FakeTensorMode():
        query, key = (torch.empty(2, heads, 7, 8, dtype=torch.bfloat16) for heads in (4, 2))
        borders = {"cu_seq_lens_q": torch.empty(4, dtype=torch.int32), "max_length_q": 7}
        made, _ = varlen_attention(nn.Module(), query, key, key, None, scaling=0.1, sliding_window=window, **borders)
    assert made.shape == (2, 7, 4, 8)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_cpu_attends_without_a_mask_unless_attention_is_dropped(stories: Path, precision: torch.dtype) -> None:
    model = AutoModelForCausalLM.from_pretrained(stories)
    assert use_varlen(model, CPU, precision)
    assert model.config._attn_implementation == VARLEN
    dropping = AutoModelForCausalLM.from_pretrained(stories, attention_dropout=0.1)
    assert not use_varlen(dropping, CPU, precision)
    assert dropping.config._attn_implementation == "sdpa"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="the kernel runs on GPUs alone")
@pytest.mark.parametrize("adapters", [False, True])
def test_on_a_gpu_the_kernel_says_what_documents_say_alone(
    stories: Path, texts: Packs, recipe_of: Callable[..., Recipe], *, adapters: bool
) -> None:
    made = base(stories, recipe_of, method={"kind": "lora" if adapters else "full"})
    model = made.cuda()
    batch = collate_packs(gathered(texts, pad_id=0)).to(torch.device("cuda"))
    exact = gradients(model, summed_loss(model, batch))
    assert not has_varlen(model.config, model.device, torch.float32)
    assert use_varlen(model, model.device, torch.bfloat16)
    with torch.autocast("cuda", torch.bfloat16):
        found = gradients(model, summed_loss(model, batch))
    for name, gradient in exact.items():
        assert float((found[name] - gradient).norm() / gradient.norm().clamp(min=1e-6)) < 5e-2, name
