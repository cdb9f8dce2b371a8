import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from launcher.data.encode import IGNORED, encode_row, encode_rows, encode_test_rows, whole_text
from launcher.data.encode.text import text_examples
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.recipe.task import Text
from tests.data.letters import BOS, EOS, Letters

TEXT = Text(kind="text")


def row(text: str, **fields: str) -> Row:
    return Row({"text": text, **fields}, None)


def test_every_token_but_the_first_is_counted_and_the_document_ends() -> None:
    (example,) = text_examples(row("abc"), TEXT, Letters(), 9)
    assert example.input_ids == [BOS, *b"abc", EOS]
    assert example.labels == [IGNORED, *b"abc", EOS]
    assert (example.label_tokens, example.truncated) == (4, False)


@given(st.text("abc", max_size=40), st.integers(2, 15))
def test_pieces_of_a_long_document_count_each_token_once_after_the_one_before_it(text: str, length: int) -> None:
    pieces = text_examples(row(text), TEXT, Letters(), length)
    foreseen = [pair for piece in pieces for pair in zip(piece.input_ids, piece.labels[1:], strict=False)]
    whole = [BOS, *text.encode(), EOS]
    assert foreseen == list(pairwise(whole))
    assert all(2 <= len(piece.input_ids) == len(piece.labels) <= length for piece in pieces)
    assert all(len(piece.input_ids) == length for piece in pieces[:-1])


@given(st.text("abc", max_size=40), st.integers(2, 15))
def test_a_document_that_is_not_split_keeps_its_first_piece_and_says_so(text: str, length: int) -> None:
    pieces = text_examples(row(text), TEXT, Letters(), length)
    (kept,) = text_examples(row(text), TEXT, Letters(), length, "truncate")
    assert (kept.input_ids, kept.labels) == (pieces[0].input_ids, pieces[0].labels)
    assert kept.truncated == (len(pieces) > 1)


def test_a_document_is_a_template_and_ends_as_it_says() -> None:
    task = Text(kind="text", text="{title}. {text}", end_token=".")
    (example,) = text_examples(row("ab", title="T"), task, Letters(eos_token_id=None), 20)
    assert example.input_ids == [BOS, *b"T. ab", ord(".")]
    assert whole_text(row("ab", title="T"), task) == "T. ab"
    with pytest.raises(InvalidInput, match=r"^task\.end_token: the tokenizer has no end-of-text token"):
        text_examples(row("a"), TEXT, Letters(eos_token_id=None), 9)


def test_an_end_that_the_tokenizer_writes_itself_is_not_doubled() -> None:
    (example,) = text_examples(row("ab."), Text(kind="text", end_token="."), Letters(), 9)
    assert example.input_ids == [BOS, *b"ab."]


def test_a_single_token_foresees_nothing() -> None:
    with pytest.raises(InvalidInput, match=r"^training\.max_length: give 2 at least"):
        text_examples(row("a"), TEXT, Letters(), 1)


def test_real_texts_come_back_whole_from_their_pieces(stories: Path, shared: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(stories)
    text = (shared / "data/tinyshakespeare/input.txt").read_text()[:5000]
    pieces = encode_row(row(text), TEXT, tokenizer, 128)
    assert len(pieces) > 10
    whole = [*pieces[0].input_ids, *(token for piece in pieces[1:] for token in piece.input_ids[1:])]
    assert whole == [*tokenizer.encode(text), tokenizer.eos_token_id]
    alpaca = json.loads((shared / "data/instructions/alpaca_en_demo.json").read_text())[:20]
    rows = [row(each["output"]) for each in alpaca]
    examples = list(encode_rows(rows, TEXT, tokenizer, 64))
    assert encode_test_rows(rows, TEXT, tokenizer, 64) == examples
    assert len(examples) > len(rows)
