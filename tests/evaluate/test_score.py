from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

from launcher.data.encode import IGNORED, Example, Question, TestRow, encode_question
from launcher.data.rows import Row
from launcher.evaluate.score import score
from launcher.evaluate.scores import Scores
from launcher.model import heads
from launcher.model.head_loss import loss_in_head
from launcher.model.load import load_model
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe

CPU = torch.device("cpu")
PAD = 0
SHAPE = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": PAD,
    "initializer_range": 0.5,
}
TOKENS = st.integers(3, 39)
PROMPTS = st.lists(TOKENS, max_size=9).map(lambda ids: [1, *ids])
CANDIDATES = st.lists(st.lists(TOKENS, max_size=4).map(lambda ids: [*ids, 2]), min_size=1, max_size=3)
QUESTIONS = st.lists(st.builds(Question, PROMPTS, CANDIDATES), min_size=1, max_size=5)


@pytest.fixture(scope="module", params=["logits", "losses at once", "losses in pieces"])
def writer(request: pytest.FixtureRequest) -> Iterator[nn.Module]:
    """A model whose head gives logits, or what is asked of them, three tokens at a time in the end."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    with pytest.MonkeyPatch.context() as patched:
        if request.param != "logits":
            assert loss_in_head(model)
        if request.param == "losses in pieces":
            patched.setattr(heads, "LOGITS_AT_ONCE", 3 * SHAPE["vocab_size"])
        yield model


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    torch.manual_seed(0)
    return LlamaForSequenceClassification(LlamaConfig(**SHAPE, num_labels=3))


def scored(model: nn.Module, questions: Sequence[TestRow], batch_size: int = 3) -> Scores:
    return score(model, questions, pad_id=PAD, batch_size=batch_size, device=CPU)


@torch.inference_mode()
def naive(model: nn.Module, question: Question) -> list[float]:
    """Log-likelihoods one row at a time, one token after another, without padding."""
    likelihoods = []
    for candidate in question.candidates:
        total = 0.0
        for position, token in enumerate(candidate):
            before = torch.tensor([question.prompt_ids + candidate[:position]])
            total += float(model(input_ids=before).logits[0, -1].log_softmax(-1)[token])
        likelihoods.append(total)
    return likelihoods


def assert_close(one: Scores, other: Scores) -> None:
    assert [len(row) for row in one] == [len(row) for row in other]
    for row, expected in zip(one, other, strict=True):
        assert row == pytest.approx(expected, abs=1e-5, rel=1e-5)


@settings(max_examples=40, deadline=None)
@given(QUESTIONS, st.integers(1, 8))
def test_likelihoods_are_those_of_each_row_alone(writer: nn.Module, questions: list[Question], batch: int) -> None:
    assert_close(scored(writer, questions, batch), [naive(writer, question) for question in questions])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.tuples(TOKENS, st.booleans()), min_size=1, max_size=9), min_size=1, max_size=5))
def test_a_text_is_scored_by_its_labels_alone(writer: nn.Module, rows: list[list[tuple[int, bool]]]) -> None:
    texts = []
    for row in rows:
        ids = [1, *(token for token, _ in row), 2]
        labels = [IGNORED, *(token if counted else IGNORED for token, counted in row), 2]
        texts.append(Example(ids, labels, truncated=False))
    expected = []
    for text in texts:
        places = [place for place, label in enumerate(text.labels) if label != IGNORED]
        each = [Question(text.input_ids[:place], [[text.input_ids[place]]]) for place in places]
        expected.append([sum(naive(writer, question)[0] for question in each)])
    assert_close(scored(writer, texts), expected)


@settings(max_examples=20, deadline=None)
@given(QUESTIONS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(writer: nn.Module, questions: list[Question], random: Random) -> None:
    order = random.sample(range(len(questions)), len(questions))
    shuffled = scored(writer, [questions[row] for row in order])
    assert_close(shuffled, [scored(writer, questions)[row] for row in order])


def test_a_padding_token_inside_a_row_is_read(writer: nn.Module) -> None:
    questions = [Question([1, PAD, 7], [[PAD, 2], [9, PAD, PAD, 2]]), Question([1, 8, 9, 10, 11, 12], [[5, 2], [6, 2]])]
    assert_close(scored(writer, questions), [naive(writer, question) for question in questions])


def test_a_single_candidate_is_scored_like_one_of_many(writer: nn.Module) -> None:
    alone = scored(writer, [Question([1, 5, 6], [[7, 2]])])
    assert len(alone[0]) == 1
    assert alone[0][0] == pytest.approx(scored(writer, [Question([1, 5, 6], [[9, 9, 2], [7, 2]])])[0][1], abs=1e-5)
    assert alone[0][0] < 0


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor that is made has."""

    numbers = 0

    def __torch_dispatch__(self, function, types, words=(), named=None):  # type: ignore[no-untyped-def]
        made = function(*words, **(named or {}))
        self.numbers = max(self.numbers, made.numel() if isinstance(made, torch.Tensor) else 0)
        return made


def test_of_long_texts_no_more_logits_are_there_than_the_head_gives_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LlamaForCausalLM(LlamaConfig(**{**SHAPE, "vocab_size": 4000}))
    texts: list[TestRow] = [Example([1, *range(5, 45)], [IGNORED, *range(5, 45)], truncated=False)] * 4
    monkeypatch.setattr(heads, "LOGITS_AT_ONCE", 10 * 4000)
    with Largest() as before:
        wanted = scored(model, texts, batch_size=4)
    assert loss_in_head(model)
    with Largest() as after:
        found = scored(model, texts, batch_size=4)
    assert_close(found, wanted)
    assert before.numbers >= 4 * 40 * 4000
    assert after.numbers == 4000 * SHAPE["hidden_size"], "no more than the head's own weight"


def test_all_continuations_together_are_certain(writer: nn.Module) -> None:
    every = scored(writer, [Question([1, 5], [[token] for token in range(40)])], batch_size=16)[0]
    assert torch.tensor(every).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_a_head_scores_each_row_as_alone(classifier: nn.Module) -> None:
    prompts = [[1, 5], [1, 9, 8, 7, 6, 5], [1, 30, 31], [1, 5, 5, 5, 5, 5, 5, 5]]
    questions = [Question(prompt, []) for prompt in prompts]
    with torch.inference_mode():
        alone = [classifier(input_ids=torch.tensor([prompt])).logits[0].log_softmax(-1).tolist() for prompt in prompts]
    for batch in (1, 3, 9):
        assert_close(scored(classifier, questions, batch), alone)
    assert_close(scored(classifier, questions[::-1]), alone[::-1])


def test_a_heads_scores_are_log_probabilities(classifier: nn.Module) -> None:
    for row in scored(classifier, [Question([1, 5], []), Question([1, 6, 7], [])]):
        assert len(row) == 3
        assert torch.tensor(row).exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_scoring_switches_dropout_off_and_needs_no_gradient() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, attention_dropout=0.9)).train()
    questions = [Question([1, 5, 6, 7], [[8, 2]])]
    assert scored(model, questions) == scored(model, questions)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", ["full", "qlora"])
def test_a_real_model_weighs_label_words_as_one_row_at_a_time(
    stories: Path, recipe_of: Callable[..., Recipe], kind: str
) -> None:
    recipe = recipe_of(model={"kind": "pretrained", "name_or_path": str(stories)}, method={"kind": kind})
    tokenizer = load_tokenizer(stories, recipe.model)
    model = load_model(recipe, stories, tokenizer, CPU)
    texts = ["The dog was sad.", "Lily was very, very happy with her big red ball today.", "Oh"]
    questions = [encode_question(Row({"text": text}, None), recipe.task, tokenizer, 64) for text in texts]
    assert_close(scored(model, questions), [naive(model, question) for question in questions])
