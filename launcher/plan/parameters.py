"""How many weights a Llama has and how many a method trains, from its configuration alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from launcher.errors import InvalidInput
from launcher.recipe.method import Adapter, Full, Method
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


def count_parameters(
    config: dict[str, Any], method: Method, task: Task, *, new_tokens: int = 0
) -> ParameterCount | None:
    """Counts for a model's config.json, or None where its architecture is not a Llama's.

    Args:
        new_tokens: rows by which the embedding grows; adapters then come with embedding and head trained whole.

    Raises:
        InvalidInput: the method names a module that the model does not have.
    """
    if config.get("model_type") not in LLAMA_LIKE or config.get("attention_bias") or config.get("mlp_bias"):
        return None
    matrices, norms = _matrices(config, task, config["vocab_size"] + new_tokens), _norms(config)
    sizes = {name: copies * inputs * outputs for name, (copies, inputs, outputs) in matrices.items()} | norms
    embedding = sizes["embed_tokens"]
    tied = bool(config.get("tie_word_embeddings")) and "lm_head" in sizes
    total = sum(sizes.values()) - (embedding if tied else 0)
    multiplied = sum(sizes.values()) - embedding - sum(norms.values())
    if isinstance(method, Full):
        return ParameterCount(total, total, multiplied)
    whole = _trained_whole(method, sizes, grown=new_tokens > 0)
    targets = _targets(method, linear_shapes(config), matrices) - whole
    adapters = _adapter_weights(method, config, {name: matrices[name] for name in targets})
    return ParameterCount(total + adapters, adapters + sum(sizes[name] for name in whole), multiplied)


def _matrices(config: dict[str, Any], task: Task, vocabulary: int) -> dict[str, tuple[int, int, int]]:
    """Every matrix of the model: module name to (copies, inputs, outputs)."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    head = ("score", len(task.labels)) if isinstance(task, SequenceClassification) else ("lm_head", vocabulary)
    return {
        **{name: (layers, *shape) for name, shape in linear_shapes(config).items()},
        "embed_tokens": (1, vocabulary, hidden),
        head[0]: (1, hidden, head[1]),
    }


def _norms(config: dict[str, Any]) -> dict[str, int]:
    """Weights of every norm, in all layers together."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    return {"input_layernorm": layers * hidden, "post_attention_layernorm": layers * hidden, "norm": hidden}


def _targets(method: Adapter, blocks: Iterable[str], matrices: Iterable[str]) -> set[str]:
    """Modules that get adapters; PEFT passes over names that it does not find, which hides misspellings."""
    targets = set(blocks if method.target_modules == "all-linear" else method.target_modules)
    excluded = set(method.exclude_modules)
    _refuse_unknown("target_modules", targets - set(matrices), matrices)
    _refuse_unknown("exclude_modules", excluded - set(matrices), matrices)
    if targets and targets <= excluded:
        raise InvalidInput("method.exclude_modules: no module is left to adapt; leave one of target_modules out of it")
    return targets - excluded


def _adapter_weights(method: Adapter, config: dict[str, Any], targets: dict[str, tuple[int, int, int]]) -> int:
    """Weights of the adapters on some matrices; DoRA has one more for each output."""
    if method.layers_to_transform is not None:
        layers = _numbered_layers(method.layers_to_transform, config["num_hidden_layers"])
        targets = {name: (layers, *targets[name][1:]) for name in linear_shapes(config) if name in targets}
    return sum(
        copies * (method.r * (inputs + outputs) + (outputs if method.use_dora else 0))
        for copies, inputs, outputs in targets.values()
    )


def _numbered_layers(numbers: list[int], there: int) -> int:
    if not numbers or max(numbers) >= there:
        raise InvalidInput(f"method.layers_to_transform: expected numbers from 0 to {there - 1}, the model's layers")
    return len(set(numbers))


def _trained_whole(method: Adapter, modules: Iterable[str], *, grown: bool) -> set[str]:
    """Modules that are trained beside the adapters: as PEFT does, every one that ends in a name that is asked for."""
    found = {name: {module for module in modules if module.endswith(name)} for name in method.modules_to_save}
    _refuse_unknown("modules_to_save", {name for name in found if not found[name]}, modules)
    own = {"score", "embed_tokens", "lm_head"} if grown else {"score"}
    return set().union(own & set(modules), *found.values())


def _refuse_unknown(key: str, unknown: set[str], known: Iterable[str]) -> None:
    if unknown:
        raise InvalidInput(f"method.{key}: the model has no module {min(unknown)!r}; known are {', '.join(known)}")
