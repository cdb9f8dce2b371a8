"""A BERT's parameters under each method, against the model itself."""

from typing import Any

import pytest
from peft import get_peft_model
from transformers import BertConfig, BertForSequenceClassification

from launcher.model.lora import lora_config
from launcher.plan.parameters import count_parameters
from launcher.recipe.method import Full, Lora
from launcher.recipe.task import SequenceClassification

CLASSES = SequenceClassification(kind="classification", labels=["a", "b", "c"])
CONFIG = BertConfig(
    vocab_size=90, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_labels=3
)


def model() -> BertForSequenceClassification:
    return BertForSequenceClassification(CONFIG)


def test_a_whole_bert_is_counted_from_its_configuration() -> None:
    count = count_parameters(CONFIG.to_dict(), Full(kind="full"), CLASSES)
    assert count is not None
    assert count.total == count.trainable == sum(each.numel() for each in model().parameters())


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"target_modules": ["query", "value"]},
        {"target_modules": ["dense"]},
        {"target_modules": ["query", "output.dense"], "layers_to_transform": [1]},
        {"bias": "all"},
        {"bias": "lora_only", "target_modules": ["key"]},
        {"use_dora": True},
    ],
    ids=str,
)
def test_adapters_of_a_bert_are_counted_as_peft_makes_them(fields: dict[str, Any]) -> None:
    method = Lora(kind="lora", r=4, **fields)
    count = count_parameters(CONFIG.to_dict(), method, CLASSES)
    adapted = get_peft_model(model(), lora_config(method, CLASSES, also_whole=[]))
    assert count is not None
    assert count.trainable == sum(each.numel() for each in adapted.parameters() if each.requires_grad)
