"""A small Llama or BERT made on the spot: random weights, and a tokenizer trained on the texts it will read."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from launcher.errors import InvalidInput
from launcher.model.wordpiece import make_wordpiece
from launcher.recipe.model import Scratch

UNK, BOS, EOS, PAD = SPECIAL_TOKENS = ("<unk>", "<s>", "</s>", "<pad>")


def make_tokenizer(texts: Iterable[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with at most `vocab_size` tokens, that puts `<s>` in front of every text.

    Every text can be written in it and read back, for every byte is a token.

    Args:
        texts: What to learn merges from; prompts and completions as the model will see them.
        vocab_size: Tokens at the most, special tokens and the 256 bytes among them.
        max_length: Tokens a text at the most.

    Raises:
        InvalidInput: `vocab_size` does not hold the special tokens and all bytes.
    """
    alphabet = ByteLevel.alphabet()
    smallest = len(SPECIAL_TOKENS) + len(alphabet)
    if vocab_size < smallest:
        raise InvalidInput(f"model.vocab_size: {vocab_size} is too small, the bytes and special tokens are {smallest}")
    tokenizer = Tokenizer(BPE(unk_token=UNK))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.train_from_iterator(
        texts,
        BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=sorted(alphabet),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token=UNK,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def make_scratch_model(config: Scratch, folder: Path, texts: Iterable[str]) -> None:
    """Write a randomly initialised model and its tokenizer to `folder` in Hugging Face layout.

    The same arguments write the same bytes.

    Raises:
        InvalidInput: `vocab_size` does not hold the special tokens, and all bytes or some letters.
    """
    make = make_tokenizer if config.architecture == "llama" else make_wordpiece
    tokenizer = make(texts, config.vocab_size, config.max_position_embeddings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = _random_model(config, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _random_model(config: Scratch, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    # The 0.02 of both is for wide models: a narrow one that starts so small learns several times slower.
    shape = {**config.model_dump(exclude={"kind", "architecture", "seed"}), "pad_token_id": tokenizer.pad_token_id}
    shape["initializer_range"] = 0.5 * config.hidden_size**-0.5
    if config.architecture == "bert":
        del shape["num_key_value_heads"]
        return BertModel(BertConfig(**shape))
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return LlamaForCausalLM(LlamaConfig(**shape, **ends))
