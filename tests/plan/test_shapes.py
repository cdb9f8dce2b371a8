"""Architectures known without a network, against the numbers of weights that their makers publish."""

import pytest

from launcher.model import fetch
from launcher.plan.parameters import count_parameters
from launcher.plan.preview import planned_config
from launcher.plan.shapes import KNOWN, known_config
from launcher.recipe.method import Full
from launcher.recipe.model import Pretrained
from launcher.recipe.task import SequenceClassification, Text

WEIGHTS = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "llama-3.3-70b": 70_553_706_496,
    "bert-base-uncased": 109_482_240,
    "bert-base-cased": 108_310_272,
    "bert-large-uncased": 335_141_888,
    "bert-large-cased": 333_579_264,
}
"""As the hub's model pages count them; BERT's with its pooler and without a head."""


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_shape_has_its_published_number_of_weights(name: str) -> None:
    bert = name.startswith("bert")
    task = SequenceClassification(kind="classification", labels=["a", "b"]) if bert else Text(kind="text")
    count = count_parameters(KNOWN[name], Full(kind="full"), task)
    assert count is not None
    head = 2 * KNOWN[name]["hidden_size"] + 2 if bert else 0
    assert count.total - head == WEIGHTS[name]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("meta-llama/Llama-2-7b-hf", "llama-2-7b"),
        ("meta-llama/Llama-2-70b-chat-hf", "llama-2-70b"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama-3-8b"),
        ("meta-llama/Llama-3.2-1B", "llama-3.2-1b"),
        ("google-bert/bert-base-uncased", "bert-base-uncased"),
        ("bert-large-cased", "bert-large-cased"),
    ],
)
def test_hub_ids_are_known_by_their_shape(name: str, known: str) -> None:
    assert known_config(name) == KNOWN[known]


@pytest.mark.parametrize("name", ["someone/Llama-2-7b-hf", "meta-llama/Llama-Guard-3-8B", "meta-llama/Llama-4-Scout"])
def test_what_others_made_is_not_taken_for_the_original(name: str) -> None:
    assert known_config(name) is None


def test_a_known_model_is_planned_without_asking_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(fetch, "_fetch_hub", refuse)
    model = Pretrained(kind="pretrained", name_or_path="meta-llama/Llama-2-7b-hf")
    assert planned_config(model)["intermediate_size"] == 11008
