"""Which parameters a model has and which of them a method trains, from its configuration alone."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

from launcher.errors import InvalidInput
from launcher.recipe.method import Adapter, Full, Method, QLora
from launcher.recipe.task import SequenceClassification, Task

LLAMA_LIKE = {"llama", "mistral"}
"""Model types whose layers are those of `linear_shapes`."""

Kind = Literal["linear", "head", "embedding", "norm", "bias", "adapter"]


@dataclass(frozen=True, slots=True)
class ParameterCount:
    total: int
    trainable: int
    matrices: int
    """Weights that every token is multiplied with: all but embeddings looked up, norms and adapters."""


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters of one module's name, all of one shape: of each block one, or of the model one."""

    module: str
    kind: Kind
    copies: int
    shape: tuple[int, ...]
    trained: bool = True
    quantised: bool = False
    duplicate: bool = False
    """Trained beside a frozen original, as PEFT keeps both."""

    @property
    def elements(self) -> int:
        """Of one copy."""
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Elements of all copies."""
        return self.copies * self.elements


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
    """Counts for a model's config.json, or None where its architecture is not known.

    Args:
        new_tokens: rows by which the embedding grows; adapters then come with embedding and head trained whole.

    Raises:
        InvalidInput: the method names a module that the model does not have.
    """
    parts = model_parts(config, method, task, new_tokens=new_tokens)
    if parts is None:
        return None
    total = sum(part.size for part in parts if not part.duplicate)
    trainable = sum(part.size for part in parts if part.trained)
    multiplied = sum(part.size for part in parts if part.kind in ("linear", "head") and not part.duplicate)
    if _is_tied(config, task):  # what is looked up is multiplied too
        multiplied += (config["vocab_size"] + new_tokens) * config["hidden_size"]
    return ParameterCount(total, trainable, multiplied)


def model_parts(config: dict[str, Any], method: Method, task: Task, *, new_tokens: int = 0) -> list[Part] | None:
    """Every parameter of a model that a method was applied to, or None where its architecture is not known.

    Raises:
        InvalidInput: the method names a module that the model does not have.
    """
    build = ARCHITECTURES.get(config.get("model_type", ""))
    if build is None or config.get("attention_bias") or config.get("mlp_bias"):
        return None
    base = list(build({**config, "vocab_size": config["vocab_size"] + new_tokens}, task))
    return base if isinstance(method, Full) else list(_adapted(base, method, config, grown=new_tokens > 0))


def _is_tied(config: dict[str, Any], task: Task) -> bool:
    decodes = config.get("model_type") in LLAMA_LIKE and not isinstance(task, SequenceClassification)
    return decodes and bool(config.get("tie_word_embeddings"))


def _llama(config: dict[str, Any], task: Task) -> Iterator[Part]:
    """Llama (https://arxiv.org/abs/2302.13971), as in transformers' modeling_llama.py."""
    hidden, layers, vocabulary = config["hidden_size"], config["num_hidden_layers"], config["vocab_size"]
    for name, (inputs, outputs) in linear_shapes(config).items():
        yield Part(name, "linear", layers, (outputs, inputs))
    yield Part("embed_tokens", "embedding", 1, (vocabulary, hidden))
    if isinstance(task, SequenceClassification):
        yield Part("score", "head", 1, (len(task.labels), hidden))
    elif not config.get("tie_word_embeddings"):
        yield Part("lm_head", "head", 1, (vocabulary, hidden))
    for name, copies in (("input_layernorm", layers), ("post_attention_layernorm", layers), ("norm", 1)):
        yield Part(name, "norm", copies, (hidden,))


def _bert(config: dict[str, Any], task: Task) -> Iterator[Part]:
    """BERT with a head (https://arxiv.org/abs/1810.04805), as in transformers' modeling_bert.py; it only classifies."""
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    rows = {
        "word_embeddings": config["vocab_size"],
        "position_embeddings": config["max_position_embeddings"],
        "token_type_embeddings": config.get("type_vocab_size") or 2,
    }
    linears = {
        "attention.self.query": (layers, hidden, hidden),
        "attention.self.key": (layers, hidden, hidden),
        "attention.self.value": (layers, hidden, hidden),
        "attention.output.dense": (layers, hidden, hidden),
        "intermediate.dense": (layers, inner, hidden),
        "output.dense": (layers, hidden, inner),
        "pooler.dense": (1, hidden, hidden),
    }
    norms = {"embeddings.LayerNorm": 1, "attention.output.LayerNorm": layers, "output.LayerNorm": layers}
    for name, count in rows.items():
        yield Part(name, "embedding", 1, (count, hidden))
    for name, (copies, outputs, inputs) in linears.items():
        yield Part(name, "linear", copies, (outputs, inputs))
        yield Part(name, "bias", copies, (outputs,))
    for name, copies in norms.items():
        yield Part(name, "norm", copies, (hidden,))
        yield Part(name, "bias", copies, (hidden,))
    classes = len(task.labels) if isinstance(task, SequenceClassification) else 2
    yield Part("classifier", "head", 1, (classes, hidden))
    yield Part("classifier", "bias", 1, (classes,))


ARCHITECTURES: dict[str, Callable[[dict[str, Any], Task], Iterator[Part]]] = {
    **dict.fromkeys(LLAMA_LIKE, _llama),
    "bert": _bert,
}


def _adapted(base: list[Part], method: Adapter, config: dict[str, Any], *, grown: bool) -> Iterator[Part]:
    matrices = {part.module: part for part in base if len(part.shape) == 2}
    if _tied_head(base, config):
        matrices["lm_head"] = replace(matrices["embed_tokens"], module="lm_head", kind="head")
    whole = _trained_whole(method, list(dict.fromkeys([*matrices, *(part.module for part in base)])), grown=grown)
    linears = [name for name, part in matrices.items() if part.kind == "linear"]
    targets = _targets(method, linears, list(matrices)) - whole
    bias = {"none": set(), "lora_only": targets, "all": {part.module for part in base}}[method.bias] - whole
    for part in base:
        trained = part.kind == "bias" and part.module in bias
        quantised = isinstance(method, QLora) and part.kind == "linear"
        yield replace(part, trained=trained, quantised=quantised)
    for part in [*base, *(each for name, each in matrices.items() if each not in base)]:
        if part.module in whole:
            yield replace(part, duplicate=True)
    for name in sorted(targets):
        yield from _adapter(method, matrices[name], config)


def _tied_head(base: list[Part], config: dict[str, Any]) -> bool:
    return bool(config.get("tie_word_embeddings")) and not any(part.kind == "head" for part in base)


def _matching(path: str, name: str) -> bool:
    """PEFT's rule for a list of targets: the module's name, or its path ends in it."""
    return path == name or path.endswith(f".{name}")


def _targets(method: Adapter, linears: list[str], known: list[str]) -> set[str]:
    """Modules that get adapters; PEFT passes over names that it does not find, which hides misspellings."""
    asked = linears if method.target_modules == "all-linear" else method.target_modules
    targets, excluded = _named("target_modules", asked, known), _named("exclude_modules", method.exclude_modules, known)
    if targets and targets <= excluded:
        raise InvalidInput("method.exclude_modules: no module is left to adapt; leave one of target_modules out of it")
    return targets - excluded


def _named(key: str, names: Iterable[str], known: list[str]) -> set[str]:
    found = {name: {path for path in known if _matching(path, name)} for name in names}
    _refuse_unknown(key, {name for name in found if not found[name]}, known)
    return set().union(*found.values())


def _adapter(method: Adapter, part: Part, config: dict[str, Any]) -> Iterator[Part]:
    """The matrices beside one module; DoRA has one more number for each output."""
    copies = part.copies
    if method.layers_to_transform is not None:
        there = config["num_hidden_layers"]
        copies = _numbered_layers(method.layers_to_transform, there) if part.kind == "linear" and copies == there else 0
    if not copies:
        return
    outputs, inputs = reversed(part.shape) if part.kind == "embedding" else part.shape
    shapes = [(method.r, inputs), (outputs, method.r), *([(outputs,)] if method.use_dora else [])]
    for shape in shapes:
        yield Part(part.module, "adapter", copies, shape)


def _numbered_layers(numbers: list[int], there: int) -> int:
    if not numbers or max(numbers) >= there:
        raise InvalidInput(f"method.layers_to_transform: expected numbers from 0 to {there - 1}, the model's layers")
    return len(set(numbers))


def _trained_whole(method: Adapter, modules: list[str], *, grown: bool) -> set[str]:
    """Modules that are trained beside the adapters: as PEFT does, every one that ends in a name that is asked for."""
    found = {name: {module for module in modules if module.endswith(name)} for name in method.modules_to_save}
    _refuse_unknown("modules_to_save", {name for name in found if not found[name]}, modules)
    own = {"score", "classifier", "embed_tokens", "lm_head"} if grown else {"score", "classifier"}
    return set().union(own & set(modules), *found.values())


def _refuse_unknown(key: str, unknown: set[str], known: Iterable[str]) -> None:
    if unknown:
        raise InvalidInput(f"method.{key}: the model has no module {min(unknown)!r}; known are {', '.join(known)}")
