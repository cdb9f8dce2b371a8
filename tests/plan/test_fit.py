"""What fits, and what to change where it does not."""

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launcher.cluster.profile import Local
from launcher.draw.figure import Path as Line
from launcher.draw.figure import Words
from launcher.draw.svg import svg
from launcher.errors import InvalidInput
from launcher.plan.accelerators import ACCELERATORS, find_accelerator, known_device
from launcher.plan.batch import plan_batches
from launcher.plan.counts import RowCounts
from launcher.plan.fit import nearest_fit
from launcher.plan.hardware import Hardware, elsewhere
from launcher.plan.memory import estimate, setting_of
from launcher.plan.outlook import Outlook, look_ahead
from launcher.plan.sweep import read_sizes, sweep, sweep_lines
from launcher.plan.sweep_plot import sweep_figure
from launcher.recipe.recipe import Recipe
from tests.plan.asked import LLAMA_7B, LLAMA_70B, asked, config_of, zero

PROFILE = Local(backend="local")
FULL, LORA, QLORA = ({"kind": kind} for kind in ("full", "lora", "qlora"))


def gpus(number: int, name: str = "H100", price: float | None = None) -> Hardware:
    return elsewhere(number, name, PROFILE, price)


def outlook(recipe: Recipe, hardware: Hardware) -> Outlook:
    batches = plan_batches(recipe.training, world=hardware.world, documents=100_000)
    found = look_ahead(recipe, config_of(recipe), batches, hardware)
    assert found is not None
    return found


def changed(recipe: Recipe, changes: tuple[str, ...]) -> Recipe:
    """A recipe with overrides of the form that is told."""
    sections = recipe.model_dump(mode="json", exclude_unset=True)
    for change in changes:
        path, value = change.split("=")
        section, field = path.split(".")
        if field == "kind":
            sections[section] = {}
        sections[section][field] = value if field == "kind" else json.loads(value)
    return Recipe.model_validate(sections)


@pytest.mark.parametrize(
    ("model", "method", "strategy", "number", "name"),
    [
        (LLAMA_7B, FULL, {"kind": "ddp"}, 8, "H100"),
        (LLAMA_7B, FULL, zero(2), 2, "A100-40"),
        (LLAMA_70B, QLORA, zero(2), 8, "L4"),
        (LLAMA_70B, FULL, zero(3), 8, "H100"),
        (LLAMA_7B, LORA, {"kind": "ddp"}, 1, "RTX-4090"),
    ],
)
def test_the_nearest_configuration_that_is_told_fits_when_it_is_asked_for(
    model: str, method: dict[str, Any], strategy: dict[str, Any], number: int, name: str
) -> None:
    recipe = asked(model, method, strategy, max_length=4096, per_device_train_batch_size=4)
    hardware = gpus(number, name)
    assert not outlook(recipe, hardware).fits
    fit = nearest_fit(recipe, config_of(recipe), hardware)
    assert fit is not None
    assert fit.changes or fit.gpus > number
    better = outlook(changed(recipe, fit.changes), hardware.of_size(fit.gpus))
    assert better.fits
    assert better.memory.peak == fit.peak


def test_the_global_batch_stays_where_micro_batches_shrink() -> None:
    recipe = asked(LLAMA_7B, LORA, {"kind": "ddp"}, max_length=4096, per_device_train_batch_size=16)
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"gradient_checkpointing": True})})
    hardware = gpus(4, "A100-40")
    fit = nearest_fit(recipe, config_of(recipe), hardware)
    assert fit is not None
    before, after = (
        plan_batches(each.training, world=4, documents=1000) for each in (recipe, changed(recipe, fit.changes))
    )
    assert after.micro_batch < before.micro_batch
    assert after.global_batch == before.global_batch


def test_nothing_is_told_where_nothing_fits() -> None:
    recipe = asked("meta-llama/Llama-3.1-405B", FULL, {"kind": "ddp"}, max_length=131_072)
    assert nearest_fit(recipe, config_of(recipe), gpus(1024, "L4")) is None


@given(
    stage=st.sampled_from([0, 1, 2, 3]),
    world=st.integers(1, 512),
    method=st.sampled_from([FULL, LORA, QLORA]),
    length=st.integers(1, 4096),
)
def test_more_ranks_never_take_more_memory_and_longer_rows_never_less(
    stage: int, world: int, method: dict[str, Any], length: int
) -> None:
    def peak(ranks: int, tokens: int) -> int:
        recipe = asked(LLAMA_7B, method, zero(stage), max_length=tokens)
        setting = setting_of(recipe, config_of(recipe), ranks, "cuda")
        assert setting is not None
        return estimate(setting).peak

    assert peak(world + 1, length) <= peak(world, length) + 10_000  # shares are rounded up
    assert peak(world, length + 1) >= peak(world, length)


def test_stages_share_more_and_checkpointing_keeps_less() -> None:
    def peak(strategy: dict[str, Any], **training: Any) -> int:
        return outlook(asked(LLAMA_7B, FULL, strategy, max_length=2048, **training), gpus(16)).memory.peak

    falling = [peak(strategy) for strategy in ({"kind": "ddp"}, zero(1), zero(2), zero(3))]
    assert falling == sorted(falling, reverse=True)
    assert peak(zero(2), gradient_checkpointing=True) < peak(zero(2))
    assert peak(zero(2, offload_optimizer=True)) < peak(zero(2))


def test_time_and_cost_follow_from_operations_and_price() -> None:
    recipe = asked(LLAMA_7B, FULL, zero(2), max_length=4096, max_steps=100, global_batch_size=128)
    told = outlook(recipe, gpus(8, price=2.0)).speed
    assert told is not None
    tokens = 128 * 4096
    assert told.compute_s == pytest.approx(tokens / 8 * told.flops_per_token / (0.4 * 989e12))
    assert told.step_s >= told.compute_s
    assert told.hours == pytest.approx(100 * told.step_s / 3600)
    assert told.cost == pytest.approx(told.hours * 8 * 2.0)
    adapters = outlook(asked(LLAMA_7B, LORA, zero(2), max_length=4096), gpus(8)).speed
    assert adapters is not None
    assert adapters.flops_per_token < 0.75 * told.flops_per_token


def test_commits_hold_twelve_bytes_a_trained_weight_and_come_between_steps() -> None:
    full, lora = (outlook(asked(LLAMA_7B, method, zero(2)), gpus(16)) for method in (FULL, LORA))
    assert full.saves.size == 12 * 6_738_415_616
    assert lora.saves.size == 12 * 39_976_960
    assert full.saves.rank_size == -(-full.saves.size // 16)
    for each in (full, lora):
        assert each.speed is not None
        assert each.saves.interval_s is not None
        assert each.saves.interval_s >= each.speed.step_s
        assert each.saves.goodput is not None
        assert 0.9 < each.saves.goodput < 1
    assert any(term.name == "snapshot" and term.size == full.saves.rank_size for term in full.memory.terms)
    never = outlook(asked(LLAMA_7B, FULL, zero(2), save_strategy="no"), gpus(16))
    assert all(term.name != "snapshot" for term in never.memory.terms)


def test_a_sweep_has_a_point_for_each_number_of_accelerators() -> None:
    recipe = asked(LLAMA_70B, FULL, zero(3), max_length=4096, gradient_checkpointing=True)
    sizes = read_sizes("8,16,...,128")
    points = sweep(recipe, config_of(recipe), RowCounts(10_000), gpus(8), sizes)
    assert [point.gpus for point in points] == [8, 16, 32, 64, 128]
    assert [point.nodes for point in points] == [1, 2, 4, 8, 16]
    assert [point.fits for point in points] == [False, False, True, True, True]
    assert len(sweep_lines(points)) == 6
    words = {shape.text for shape in sweep_figure(points, gpus(8).memory, "a sweep").shapes if isinstance(shape, Words)}
    assert {"8", "128", "room 79.6", "hollow: does not fit", "goodput"} <= words


def test_ranks_without_a_row_make_no_step_faster() -> None:
    recipe = asked(LLAMA_7B, LORA, {"kind": "ddp"}, max_length=4096, global_batch_size=16)
    sixteen, many = (outlook(recipe, gpus(number)).speed for number in (16, 64))
    assert sixteen is not None
    assert many is not None
    assert many.compute_s == sixteen.compute_s


@pytest.mark.parametrize("sizes", [[8], [1, 2, 3], [8, 16, 32, 64, 128, 256, 512, 1024]])
def test_a_sweep_is_drawn_inside_its_picture(sizes: list[int]) -> None:
    recipe = asked(LLAMA_7B, QLORA, {"kind": "ddp"}, global_batch_size=64)
    figure = sweep_figure(sweep(recipe, config_of(recipe), RowCounts(None), gpus(8), sizes), gpus(8).memory, "a sweep")
    inside = [(x, y) for shape in figure.shapes if isinstance(shape, Line) for x, y in shape.points]
    assert all(0 <= x <= figure.width and 0 <= y <= figure.height for x, y in inside)
    ElementTree.fromstring(svg(figure))


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("8", [8]),
        ("4,8,2", [2, 4, 8]),
        ("8,16,...,64", [8, 16, 32, 64]),
        ("8,16,...,100", [8, 16, 32, 64, 100]),
        ("8,24,...,56", [8, 24, 40, 56]),
        ("3,4,...,3", [3, 4]),
    ],
)
def test_dots_go_on_as_the_two_numbers_before_them(text: str, sizes: list[int]) -> None:
    assert read_sizes(text) == sizes


@pytest.mark.parametrize("text", ["", "0", "8,...", "8,...,16", "...,8", "a", "8,16,...,x", "-8"])
def test_what_is_no_list_of_numbers_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^--sweep-gpus: expected numbers"):
        read_sizes(text)


def test_accelerators_are_found_by_name_and_by_what_drivers_call_them() -> None:
    assert all(find_accelerator(each.name.lower()) is each for each in ACCELERATORS)
    with pytest.raises(InvalidInput, match=r"^--accelerator: H900 is not known; known are B200, "):
        find_accelerator("H900")
    small = known_device("NVIDIA A100-SXM4-40GB", memory=40_000 * 2**20)
    assert small is not None
    assert small.name == "A100-40"
