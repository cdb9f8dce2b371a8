"""Whether the tokenizer is the model's, and knows the texts."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launcher.data.checks.encoded import EncodedRow
from launcher.data.checks.finding import Finding, judged, part
from launcher.data.encode.turns import ChatRenderer
from launcher.data.fields import MESSAGES
from launcher.data.messages import read_messages
from launcher.data.rows import Row
from launcher.recipe.model import Pretrained
from launcher.recipe.recipe import Recipe
from launcher.recipe.task import Chat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARK = re.compile(r"<\|[^<>|\s]{1,40}\|>|<(?:start|end)_of_turn>")
"""How templates write the tokens that stand between turns."""
RENDERED = 20
"""Conversations that are looked through for marks."""


def check_vocabulary(
    rows: Sequence[EncodedRow], recipe: Recipe, tokenizer: "PreTrainedTokenizerBase", config: Mapping[str, Any]
) -> Iterator[Finding]:
    """The tokenizer against the model's embedding, and against the texts."""
    yield from _embedding(recipe, tokenizer, config)
    ids = [each for row in rows for each in row.whole.input_ids]
    unknown = 0 if tokenizer.unk_token_id is None else ids.count(tokenizer.unk_token_id)
    yield judged("unknown tokens", unknown / len(ids), f"{part(unknown, len(ids))} tokens stand for unknown letters")
    size = sum(row.bytes for row in rows)
    figure = f"{len(ids) / size:.2f} tokens for each byte of text"
    yield judged("tokens a byte", len(ids) / size, figure)


def _embedding(recipe: Recipe, tokenizer: "PreTrainedTokenizerBase", config: Mapping[str, Any]) -> Iterator[Finding]:
    there = config.get("vocab_size")
    if there is None or not isinstance(recipe.model, Pretrained):  # a model from scratch has a tokenizer made for it
        return
    added = recipe.model.add_tokens
    own = [number for token, number in tokenizer.get_vocab().items() if token not in added]
    needed = max(own) + 1
    figure = f"the tokenizer has {len(own):,} tokens, the embedding {there:,} rows"
    if needed > there:
        mend = "give the model's own tokenizer, or name new tokens under model.add_tokens"
        yield Finding("vocabulary", figure, "fail", mend)
    else:
        yield judged("unused vocabulary", 1 - len(own) / there, figure)


def check_marks(rows: Sequence[Row], recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> Iterator[Finding]:
    """Marks of a chat template that are no tokens of their own, and are read letter by letter."""
    if not isinstance(recipe.task, Chat):
        return
    renderer = ChatRenderer(recipe.task, tokenizer)
    texts = [renderer.render(read_messages(row.fields[MESSAGES], "data")) for row in rows[:RENDERED]]
    vocabulary = tokenizer.get_vocab()
    lost = sorted({mark for text in texts for mark in MARK.findall(text)} - vocabulary.keys())
    if lost:
        named = ", ".join(lost)
        mend = f"give a template of this tokenizer's, or model.add_tokens: [{named}]"
        yield Finding("marks", f"the template writes {named}, which the tokenizer reads by letters", "warn", mend)
