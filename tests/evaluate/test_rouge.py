"""ROUGE-L against Google's own values.

`rouge_cases.json` was made by rouge-score 0.1.2 (`RougeScorer(["rougeL"], use_stemmer=False)`): 200 pairs of up to 12
words drawn with `random.Random(0)`, some with hyphens, digits and punctuation, each with its F-measure.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.evaluate.rouge import exact_match, rouge_l

CASES = json.loads(Path(__file__).with_name("rouge_cases.json").read_text())
texts = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join)


def test_values_are_those_of_rouge_score() -> None:
    assert len(CASES) == 200
    for reference, written, value in CASES:
        assert rouge_l(reference, written) == pytest.approx(value, abs=1e-9), (reference, written)


@given(texts, texts)
def test_it_is_symmetric_and_one_only_for_equal_words(reference: str, written: str) -> None:
    value = rouge_l(reference, written)
    assert value == rouge_l(written, reference)
    assert 0 <= value <= 1
    assert (value == 1) == (reference == written != "")


def test_words_of_other_scripts_count() -> None:
    assert rouge_l("болезнь крови", "Болезнь сердца") == 0.5


@pytest.mark.parametrize(
    ("reference", "written", "equal"),
    [("a b", " a\n b ", True), ("a b", "A b", False), ("", " ", True), ("a", "", False)],
)
def test_an_exact_match_disregards_white_space_alone(reference: str, written: str, equal: bool) -> None:
    assert exact_match(reference, written) is equal
