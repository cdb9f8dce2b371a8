"""The base model of a dry run: the recipe's own where it is small, else a small one of its family, made on the spot."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from launcher.data.encode import whole_text
from launcher.data.rows import Row
from launcher.dryrun.architecture import small_config
from launcher.dryrun.reach import WITHIN_S, unreachable, within
from launcher.errors import InvalidInput
from launcher.model.fetch import WITHOUT_WEIGHTS, fetch_model, is_local
from launcher.plan.parameters import count_parameters
from launcher.recipe.encoder import ENCODERS
from launcher.recipe.method import Full
from launcher.recipe.model import Model, Pretrained, Scratch
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat, Instruction, Text

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SMALL = 5_000_000
"""Weights of a base that is taken as it is, where it stands on this machine."""
VOCABULARY = 2048
"""Of a tokenizer that is trained on the few rows."""
MARK = re.compile(r"<\|[A-Za-z0-9_]+\|>")
"""Tokens of a chat template that stand for themselves."""
CHATML = """{% for message in messages %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{% endfor %}
{% if add_generation_prompt %}{{- '<|im_start|>assistant\n' -}}{% endif %}"""
"""For a tokenizer that was made, where the recipe leaves the template to the real one."""


@dataclass(frozen=True, slots=True)
class Base:
    model: Model
    told: str
    whole: bool = False
    """Whether it is the recipe's own."""
    tokenizer_made: str | None = None
    """Why its tokenizer is not the real one; None where it is, or the recipe trains one itself."""


def _is_small(recipe: Recipe, config: dict[str, Any]) -> bool:
    """Whether the recipe's own base can be taken as it is."""
    model = recipe.model
    if isinstance(model, Pretrained) and ("://" in model.name_or_path or not is_local(model.name_or_path)):
        return False
    count = count_parameters(config, Full(kind="full"), recipe.task)
    return count is not None and count.total <= SMALL


def dry_base(recipe: Recipe, config: dict[str, Any], rows: Sequence[Row], folder: Path) -> Base:
    """Find or make it.

    Args:
        config: The real base's config.json.
        rows: To train a tokenizer on, where the real one is not at hand.
        folder: To make it in.

    Raises:
        InvalidInput: the base has no tokenizer that loads, or its sizes are not known.
    """
    model = recipe.model
    if _is_small(recipe, config):
        return Base(model, "the recipe's own, as it is small", whole=True)
    small = small_config(config)
    if isinstance(model, Scratch):
        fewer = {name: size for name, size in small.items() if name in Scratch.model_fields}
        return Base(model.model_copy(update=fewer), f"random weights: {_shape(small)}")
    tokenizer, why = _tokenizer(recipe, model, config, rows)
    if why is not None:
        small["vocab_size"] = len(tokenizer)
    _write(small, tokenizer, folder)
    told = f"random weights in place of {model.name_or_path}: {_shape(small)}"
    return Base(model.model_copy(update={"name_or_path": str(folder), "revision": None}), told, tokenizer_made=why)


def _shape(sizes: dict[str, Any]) -> str:
    heads = sizes["num_attention_heads"]
    keys = sizes.get("num_key_value_heads") or heads
    shared = "" if heads == keys else f" over {keys} key-value heads"
    family, layers, width = (sizes[name] for name in ("model_type", "num_hidden_layers", "hidden_size"))
    return f"{family} of {layers} layers, width {width}, {heads} heads{shared}"


def _tokenizer(
    recipe: Recipe, model: Pretrained, config: dict[str, Any], rows: Sequence[Row]
) -> "tuple[PreTrainedTokenizerBase, str | None]":
    """The real one, or one that is made and why."""
    from launcher.model.tokenizer import check_vocabulary, load_tokenizer

    plain = model.model_copy(update={"add_tokens": [], "pad_token": None})  # which the run adds itself
    try:
        folder = within(WITHIN_S, lambda: fetch_model(model, WITHOUT_WEIGHTS))
    except (InvalidInput, TimeoutError) as error:
        if not unreachable(error):
            raise
        return _made(recipe, config, rows), shorten(str(error), 120)
    tokenizer = load_tokenizer(folder, plain)
    check_vocabulary(tokenizer, config["vocab_size"], plain)
    return tokenizer, None


def _made(recipe: Recipe, config: dict[str, Any], rows: Sequence[Row]) -> "PreTrainedTokenizerBase":
    """With the tokens that the recipe names, each one by itself."""
    from launcher.model.scratch import make_tokenizer
    from launcher.model.wordpiece import make_wordpiece

    make = make_wordpiece if config.get("model_type") in ENCODERS else make_tokenizer
    positions = config.get("max_position_embeddings") or 512
    tokenizer = make((whole_text(row, recipe.task) for row in rows), VOCABULARY, positions)
    if isinstance(recipe.task, Chat):
        tokenizer.chat_template = recipe.task.template or CHATML
    added = [
        token for token in _named(recipe, str(tokenizer.chat_template or "")) if token not in tokenizer.get_vocab()
    ]
    tokenizer.add_special_tokens({"additional_special_tokens": added})
    return tokenizer


def _named(recipe: Recipe, template: str) -> list[str]:
    task, model = recipe.task, recipe.model
    end = task.end_token if isinstance(task, Instruction | Text) else None
    pad = model.pad_token if isinstance(model, Pretrained) and model.pad_token not in model.add_tokens else None
    return list(dict.fromkeys([*filter(None, (end, pad)), *MARK.findall(template)]))


def _write(config: dict[str, Any], tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    kind = config["model_type"]
    plain = {name: value for name, value in config.items() if name not in (*ids, "model_type")}
    made = AutoConfig.for_model(kind, **plain, **ids)
    auto = AutoModel if kind in ENCODERS else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = auto.from_config(made)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
