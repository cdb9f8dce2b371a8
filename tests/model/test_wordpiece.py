import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.errors import InvalidInput
from launcher.model.wordpiece import SPECIAL_TOKENS, make_wordpiece

TEXTS = [f"The profit of company {number} rose in the first quarter" for number in range(50)]
TOKENIZER = make_wordpiece(TEXTS, vocab_size=200, max_length=40)

TWICE = """
from launcher.model.wordpiece import make_wordpiece
texts = [f"The profit of company {number} rose in the first quarter" for number in range(50)]
print(sorted(make_wordpiece(texts, 90, 40).get_vocab().items()))
"""


def test_a_text_stands_between_cls_and_sep_in_lower_case() -> None:
    assert TOKENIZER.convert_ids_to_tokens(TOKENIZER.encode("The FIRST profit")) == [
        *("[CLS]", "the", "first", "profit", "[SEP]")
    ]


@given(st.lists(st.sampled_from(["the", "profit", "quarter", "rise", "front", "companies", "of"]), min_size=1))
def test_words_of_known_letters_are_read_back(words: list[str]) -> None:
    ids = TOKENIZER.encode(" ".join(words))
    assert TOKENIZER.unk_token_id not in ids
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == " ".join(words)


def test_a_word_with_an_unknown_letter_is_unknown() -> None:
    assert TOKENIZER.tokenize("the profit ✓") == ["the", "profit", "[UNK]"]


def test_special_tokens_come_first_and_a_cut_text_keeps_its_end() -> None:
    assert TOKENIZER.convert_ids_to_tokens([0, 1, 2, 3, 4]) == list(SPECIAL_TOKENS)
    assert (TOKENIZER.pad_token_id, TOKENIZER.cls_token_id, TOKENIZER.sep_token_id) == (0, 2, 3)
    assert TOKENIZER.encode("the profit " * 9, truncation=True, max_length=4)[-1] == TOKENIZER.sep_token_id


@pytest.mark.parametrize("vocab_size", [9, 30, 60, 90, 150])
def test_a_vocabulary_is_never_larger_than_asked(vocab_size: int) -> None:
    tokenizer = make_wordpiece(TEXTS, vocab_size, 40)
    assert len(tokenizer) <= vocab_size
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_a_vocabulary_without_room_for_letters_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^model\.vocab_size: 8 is too small"):
        make_wordpiece(TEXTS, vocab_size=8, max_length=40)


def test_every_process_makes_the_same_vocabulary() -> None:
    one, other = (subprocess.run([sys.executable, "-c", TWICE], capture_output=True, check=True) for _ in range(2))
    assert one.stdout == other.stdout != b""
