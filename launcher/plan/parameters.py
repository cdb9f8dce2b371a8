"""How many weights a Llama has and how many a method trains, from its configuration alone."""

from dataclasses import dataclass
from typing import Any

from launcher.recipe.method import Full, Method
from launcher.recipe.task import SequenceClassification, Task

LLAMA_LIKE = {"llama", "mistral"}
"""Model types whose layers are those of `linear_shapes`."""


@dataclass(frozen=True, slots=True)
class ParameterCount:
    total: int
    trainable: int
    matrices: int
    """Weights that every token is multiplied with: all but embeddings looked up, norms and adapters."""


def linear_shapes(config: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """The linear layers of one Llama block: name to (inputs, outputs)."""
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    keys = (config.get("num_key_value_heads") or heads) * head
    return {
        "q_proj": (hidden, heads * head),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (heads * head, hidden),
        "gate_proj": (hidden, inner),
        "up_proj": (hidden, inner),
        "down_proj": (inner, hidden),
    }


def count_parameters(config: dict[str, Any], method: Method, task: Task) -> ParameterCount | None:
    """Counts for a model's config.json, or None where its architecture is not a Llama's."""
    if config.get("model_type") not in LLAMA_LIKE or config.get("attention_bias") or config.get("mlp_bias"):
        return None
    hidden, vocabulary, layers = config["hidden_size"], config["vocab_size"], config["num_hidden_layers"]
    shapes = linear_shapes(config)
    blocks = layers * sum(inputs * outputs for inputs, outputs in shapes.values())
    norms = layers * 2 * hidden + hidden
    embedding = vocabulary * hidden
    if isinstance(task, SequenceClassification):
        head = own_head = hidden * len(task.labels)
    else:
        head, own_head = embedding, 0 if config.get("tie_word_embeddings") else embedding
    total = blocks + norms + embedding + own_head
    if isinstance(method, Full):
        return ParameterCount(total, total, blocks + head)
    targets = list(shapes) if method.target_modules == "all-linear" else method.target_modules
    adapters = layers * sum(method.r * sum(shapes[name]) for name in targets if name in shapes)
    whole = own_head if isinstance(task, SequenceClassification) else 0
    saved = {"embed_tokens": embedding, "lm_head": embedding}
    whole += sum(saved.get(name, 0) for name in method.modules_to_save)
    return ParameterCount(total + adapters, adapters + whole, blocks + head)
