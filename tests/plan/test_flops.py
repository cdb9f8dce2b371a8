import pytest

from launcher.plan.accelerators import find_accelerator
from launcher.plan.flops import flops_per_token, peak_flops
from launcher.plan.parameters import ParameterCount
from launcher.recipe.method import Full, Lora, QLora

CONFIG = {"num_hidden_layers": 32, "hidden_size": 4096}
COUNT = ParameterCount(total=6_738_415_616, trainable=6_738_415_616, matrices=6_607_077_376)


def test_a_trained_weight_takes_six_operations_a_token_and_a_frozen_one_four() -> None:
    assert flops_per_token(CONFIG, COUNT, Full(kind="full"), 0) == 6 * 6_607_077_376
    assert flops_per_token(CONFIG, COUNT, Lora(kind="lora"), 0) == 4 * 6_607_077_376
    assert flops_per_token(CONFIG, COUNT, QLora(kind="qlora"), 0) == 4 * 6_607_077_376


def test_attention_grows_with_the_length_of_a_row() -> None:
    short, long = (flops_per_token(CONFIG, COUNT, Full(kind="full"), tokens) for tokens in (1024, 2048))
    assert long - short == 12 * 32 * 4096 * 1024


@pytest.mark.parametrize(
    ("device", "known"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA RTX A6000", "RTX-A6000"),
    ],
)
def test_a_device_is_known_by_a_word_of_its_name(device: str, known: str) -> None:
    assert peak_flops(device) == find_accelerator(known).peak


@pytest.mark.parametrize("device", ["NVIDIA L40", "NVIDIA RTX A1000", "Tesla T4", ""])
def test_a_device_that_only_sounds_alike_is_not_known(device: str) -> None:
    assert peak_flops(device) is None
