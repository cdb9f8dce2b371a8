from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from launcher.data.encode import IGNORED, Example, Question, encode_question, encode_row, whole_text
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.model.wordpiece import make_wordpiece
from launcher.recipe.task import Instruction, SequenceClassification, Task
from tests.data.letters import BOS, EOS, Letters

MOODS = Instruction(
    kind="instruction", prompt="{text} The mood is", label_words={"negative": "very bad", "positive": "good"}
)
FREE = Instruction(kind="instruction", prompt="{text}", completion="{answer}")
CLASSES = SequenceClassification(kind="classification", labels=["negative", "positive"])


@pytest.fixture(scope="module")
def tokenizer(stories: Path) -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(stories)


def encode_example(row: Row, task: Task, tokenizer: Any, max_length: int) -> Example:
    (example,) = encode_row(row, task, tokenizer, max_length)
    return example


def row(text: str, label: str | None = "positive", **fields: str) -> Row:
    return Row({"text": text, **fields}, label)


def test_the_loss_counts_the_completion_and_its_end_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    example = encode_example(row("The dog ran home."), MOODS, tokenizer, 64)
    prompt = tokenizer.encode("The dog ran home. The mood is")
    answer = tokenizer.encode("good", add_special_tokens=False)
    assert prompt[0] == BOS
    assert example == Example([*prompt, *answer, EOS], [IGNORED] * len(prompt) + [*answer, EOS], truncated=False)
    assert example.label_tokens == len(answer) + 1
    assert tokenizer.decode([label for label in example.labels if label != IGNORED]) == "good</s>"


def test_every_label_stands_at_its_own_token(tokenizer: PreTrainedTokenizerBase) -> None:
    for label in ("negative", "positive"):
        example = encode_example(row("A sad day", label), MOODS, tokenizer, 64)
        counted = [index for index, token in enumerate(example.labels) if token != IGNORED]
        assert counted == list(range(counted[0], len(example.input_ids)))
        assert all(example.labels[index] == example.input_ids[index] for index in counted)


def test_what_is_asked_in_a_test_is_what_was_trained(tokenizer: PreTrainedTokenizerBase) -> None:
    text = "Once upon a time there was a very long day. " * 5
    for length in (20, 200):
        question = encode_question(row(text, "negative"), MOODS, tokenizer, length)
        example = encode_example(row(text, "negative"), MOODS, tokenizer, length)
        assert question.prompt_ids + question.candidates[0] == example.input_ids


def test_each_label_is_a_candidate_in_the_order_of_the_task(tokenizer: PreTrainedTokenizerBase) -> None:
    question = encode_question(row("A day", label=None), MOODS, tokenizer, 64)
    words = [tokenizer.encode(text, add_special_tokens=False) for text in ("very bad", "good")]
    assert question == Question(tokenizer.encode("A day The mood is"), [[*ids, EOS] for ids in words])


def test_free_text_has_its_own_completion_as_the_one_candidate() -> None:
    question = encode_question(row("ab", None, answer="cd"), FREE, Letters(), 64)
    assert question == Question([BOS, *b"ab"], [[*b"cd", EOS]])
    assert encode_example(row("ab", None, answer="cd"), FREE, Letters(), 64).input_ids == [BOS, *b"abcd", EOS]


def test_cutting_keeps_the_first_token_and_the_end_of_a_prompt() -> None:
    example = encode_example(row("abcdef"), MOODS, Letters(), 19)
    assert example == Example(
        [BOS, *b"f The mood is", *b"good", EOS],
        [IGNORED] * 14 + [*b"good", EOS],
        truncated=True,
    )


def test_all_candidates_stand_after_the_same_words() -> None:
    question = encode_question(row("abcdef"), MOODS, Letters(), 14)
    assert [len(candidate) for candidate in question.candidates] == [9, 5]
    assert question.prompt_ids == [BOS, *b"d is"]


def test_classification_keeps_the_beginning_and_has_one_label_a_row() -> None:
    assert encode_example(row("abc"), CLASSES, Letters(), 4) == Example([BOS, *b"abc"], [1], truncated=False)
    cut = encode_example(row("abc", "negative"), CLASSES, Letters(), 3)
    assert cut == Example([BOS, *b"ab"], [0], truncated=True)
    assert cut.label_tokens == 1
    assert encode_question(row("abc", None), CLASSES, Letters(), 3) == Question([BOS, *b"ab"], [])


def test_a_cut_text_keeps_the_tokens_that_end_it() -> None:
    tokenizer = make_wordpiece(["the dog ran home again and again"] * 9, vocab_size=100, max_length=64)
    example = encode_example(row("The dog ran home and home again"), CLASSES, tokenizer, 6)
    assert tokenizer.convert_ids_to_tokens(example.input_ids) == ["[CLS]", "the", "dog", "ran", "home", "[SEP]"]
    assert (example.labels, example.truncated) == ([1], True)
    assert encode_question(row("The dog ran home and home"), CLASSES, tokenizer, 6).prompt_ids == example.input_ids


def test_a_length_that_holds_no_word_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^training\.max_length: 1 tokens hold no word; give 2 at least$"):
        encode_example(row("abc"), CLASSES, Letters(), 1)


def test_braces_in_a_text_are_text() -> None:
    assert encode_example(row("{x} {"), CLASSES, Letters(), 9).input_ids == [BOS, *b"{x} {"]


def test_the_whole_text_is_prompt_and_completion() -> None:
    assert whole_text(row("a day"), MOODS) == "a day The mood isgood"
    assert whole_text(row("a", None, answer="b"), FREE) == "ab"
    assert whole_text(row("a day"), CLASSES) == "a day"


@given(st.text("abc ", max_size=40), st.text("xyz", max_size=6), st.integers(9, 60))
def test_no_row_is_longer_than_asked_and_none_loses_its_completion(text: str, answer: str, length: int) -> None:
    example = encode_example(row(text, None, answer=answer), FREE, Letters(), length)
    assert len(example.input_ids) == len(example.labels) <= length
    assert example.input_ids[0] == BOS
    assert [label for label in example.labels if label != IGNORED] == [*answer.encode(), EOS]
    assert example.truncated == (len(text) + len(answer) + 2 > length)
    assert example.truncated is False or len(example.input_ids) == length


@pytest.mark.parametrize(("length", "missing"), [(6, 1), (3, 4)])
def test_a_length_that_leaves_no_room_for_the_prompt_is_refused(length: int, missing: int) -> None:
    assert len(encode_example(row("a"), MOODS, Letters(), 7).input_ids) == 7
    with pytest.raises(InvalidInput, match=rf"^training\.max_length: raise it by {missing} or more"):
        encode_example(row("a"), MOODS, Letters(), length)


def test_a_task_may_end_completions_with_another_token() -> None:
    task = MOODS.model_copy(update={"end_token": "<s>"})
    assert encode_example(row("a"), task, Letters(), 64).labels[-5:] == [*b"good", BOS]
    assert encode_question(row("a"), task, Letters(), 64).candidates == [[*b"very bad", BOS], [*b"good", BOS]]
    with pytest.raises(InvalidInput, match=r"^task\.end_token: '<end>' is no token of the model's vocabulary"):
        encode_example(row("a"), MOODS.model_copy(update={"end_token": "<end>"}), Letters(), 64)


def test_a_tokenizer_without_an_end_token_cannot_write() -> None:
    with pytest.raises(InvalidInput, match="no end-of-text token"):
        encode_example(row("a"), MOODS, Letters(eos_token_id=None), 64)
    named = MOODS.model_copy(update={"end_token": "."})
    assert encode_example(row("a"), named, Letters(eos_token_id=None), 64).input_ids[-1] == ord(".")
    assert encode_example(row("a"), CLASSES, Letters(eos_token_id=None), 64).labels == [1]
