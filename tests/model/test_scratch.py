from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    LlamaForCausalLM,
)

from launcher.errors import InvalidInput
from launcher.model.scratch import make_scratch_model, make_tokenizer
from launcher.recipe.model import Scratch

TEXTS = [f"the profit of company {number} rose in the first quarter Mood: positive" for number in range(50)]
SMALL = Scratch(kind="scratch", vocab_size=300, hidden_size=32, intermediate_size=48, max_position_embeddings=40)
BERT = SMALL.model_copy(update={"architecture": "bert"})
TOKENIZER = make_tokenizer(TEXTS, vocab_size=300, max_length=40)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@given(st.text())
def test_any_text_is_written_after_one_bos_and_read_back(text: str) -> None:
    ids = TOKENIZER(text).input_ids
    assert ids[0] == TOKENIZER.bos_token_id
    assert TOKENIZER.unk_token_id not in ids
    assert TOKENIZER.decode(ids[1:]) == text


def test_a_prompt_and_its_completion_are_the_tokens_of_both() -> None:
    prompt, completion = TOKENIZER("profit rose Mood:").input_ids, TOKENIZER(" positive", add_special_tokens=False)
    assert TOKENIZER("profit rose Mood: positive").input_ids == prompt + completion.input_ids


def test_special_tokens_are_four_different_ones() -> None:
    ids = {TOKENIZER.unk_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id, TOKENIZER.pad_token_id}
    assert ids == {0, 1, 2, 3}


def test_a_vocabulary_without_room_for_all_bytes_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"model.vocab_size: 259 is too small, .* are 260"):
        make_tokenizer(TEXTS, vocab_size=259, max_length=40)
    assert len(make_tokenizer(TEXTS, vocab_size=260, max_length=40)) == 260


def test_the_folder_loads_as_any_hugging_face_model(tmp_path: Path) -> None:
    make_scratch_model(SMALL, tmp_path, TEXTS)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(model, LlamaForCausalLM)
    assert model.dtype == torch.float32
    assert model.config.num_key_value_heads == SMALL.num_key_value_heads
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        assert getattr(model.config, name) == getattr(tokenizer, name) == getattr(TOKENIZER, name)
    assert tokenizer.model_max_length == 40
    assert len(tokenizer) <= model.config.vocab_size == SMALL.vocab_size
    assert tokenizer(TEXTS[0]).input_ids == TOKENIZER(TEXTS[0]).input_ids
    assert tokenizer.decode(tokenizer(TEXTS[0]).input_ids, skip_special_tokens=True) == TEXTS[0]
    assert model(**tokenizer(TEXTS[:2], return_tensors="pt", padding=True)).logits.isfinite().all()


def test_a_bert_loads_with_a_head_and_reads_padded_texts_as_alone(tmp_path: Path) -> None:
    make_scratch_model(BERT, tmp_path, TEXTS)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=3).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(model, BertForSequenceClassification)
    assert len(tokenizer) <= model.config.vocab_size == BERT.vocab_size
    assert model.config.pad_token_id == tokenizer.pad_token_id == 0
    texts = ["the profit of company 7 rose", "the quarter"]
    assert tokenizer.tokenize("the profit rose.") == ["the", "profit", "rose", "[UNK]"]
    together = model(**tokenizer(texts, return_tensors="pt", padding=True)).logits
    alone = [model(**tokenizer(text, return_tensors="pt")).logits[0] for text in texts]
    torch.testing.assert_close(together, torch.stack(alone))


@pytest.mark.parametrize("config", [SMALL, BERT], ids=["llama", "bert"])
def test_the_same_seed_writes_the_same_bytes_and_leaves_the_generator_alone(config: Scratch, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    make_scratch_model(config, tmp_path / "one", TEXTS)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    make_scratch_model(config, tmp_path / "two", iter(TEXTS))
    make_scratch_model(config.model_copy(update={"seed": 1}), tmp_path / "other", TEXTS)
    one, two, other = (contents(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert {name for name in one if one[name] != other[name]} == {"model.safetensors"}
