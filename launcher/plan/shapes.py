"""Known architectures, so that a plan needs no network.

Numbers of Llama 2 and 3 are those of each model's config.json on the hub (https://huggingface.co/meta-llama), and agree
with https://arxiv.org/abs/2307.09288 and table 3 of https://arxiv.org/abs/2407.21783; BERT's are those of
https://huggingface.co/google-bert and https://arxiv.org/abs/1810.04805. `tests/plan/test_shapes.py` holds them to the
published numbers of weights.
"""

import re
from typing import Any

_LLAMA_KEYS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
)
_LLAMA = {
    "llama-2-7b": (4096, 11008, 32, 32, 32, 32_000, 4096),
    "llama-2-13b": (5120, 13824, 40, 40, 40, 32_000, 4096),
    "llama-2-70b": (8192, 28672, 80, 64, 8, 32_000, 4096),
    "llama-3-8b": (4096, 14336, 32, 32, 8, 128_256, 8192),
    "llama-3-70b": (8192, 28672, 80, 64, 8, 128_256, 8192),
    "llama-3.1-8b": (4096, 14336, 32, 32, 8, 128_256, 131_072),
    "llama-3.1-70b": (8192, 28672, 80, 64, 8, 128_256, 131_072),
    "llama-3.1-405b": (16384, 53248, 126, 128, 8, 128_256, 131_072),
    "llama-3.2-1b": (2048, 8192, 16, 32, 8, 128_256, 131_072),
    "llama-3.2-3b": (3072, 8192, 28, 24, 8, 128_256, 131_072),
    "llama-3.3-70b": (8192, 28672, 80, 64, 8, 128_256, 131_072),
}
_TIED = ("llama-3.2-1b", "llama-3.2-3b")

_BERT_KEYS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
_BERT = {
    "bert-base-uncased": (768, 3072, 12, 12, 30_522),
    "bert-base-cased": (768, 3072, 12, 12, 28_996),
    "bert-large-uncased": (1024, 4096, 24, 16, 30_522),
    "bert-large-cased": (1024, 4096, 24, 16, 28_996),
}

KNOWN: dict[str, dict[str, Any]] = {
    **{
        name: {
            "model_type": "llama",
            **dict(zip(_LLAMA_KEYS, numbers, strict=True)),
            "tie_word_embeddings": name in _TIED,
        }
        for name, numbers in _LLAMA.items()
    },
    **{
        name: {
            "model_type": "bert",
            **dict(zip(_BERT_KEYS, numbers, strict=True)),
            "max_position_embeddings": 512,
            "type_vocab_size": 2,
        }
        for name, numbers in _BERT.items()
    },
}
"""A model's name without owner, `Meta-` and what tuned versions add, to the part of config.json that plans need."""

_OWNERS = ("meta-llama", "google-bert")
_ADDED = re.compile(r"^meta-|(-chat|-instruct)?(-hf)?$")


def known_config(name: str) -> dict[str, Any] | None:
    """The architecture of a hub id such as `meta-llama/Llama-2-7b-chat-hf`; None where the table does not have it.

    Other owners may have changed the vocabulary, so theirs are not taken for the original.
    """
    owner, _, model = name.rpartition("/")
    if owner and owner not in _OWNERS:
        return None
    return KNOWN.get(_ADDED.sub("", model.lower()))
