"""Every recipe that comes with the launcher, wherever under recipes/ it stands."""

from pathlib import Path

import pytest

from launcher.cluster.profile import Local
from launcher.plan.preview import preview
from launcher.recipe.load import load_recipe
from launcher.recipe.model import Scratch
from launcher.recipe.possible import recipe_refusal
from launcher.recipe.recipe import Recipe
from launcher.recipe.shipped import shipped_folder, shipped_recipes

SHIPPED = [each.reference for each in shipped_recipes()]
HEADER = ("What", "Why", "Hardware", "Expect")
PROMISED = {
    "bert-base/imdb", "bert-base/imdb-lora", "demo/headlines", "llama2-7b/financial-phrasebank-lora",
    "llama2-7b/financial-phrasebank-qlora", "llama2-7b/imdb-lora", "llama2-7b/medical-terms-qlora",
    "llama2-7b/sst2-classification-lora", "llama2-7b/sst2-lora", "llama3.1-8b/alpaca-full-zero3",
    "llama3.1-8b/chat-lora", "llama3.1-8b/text-pretrain-zero3", "llama3.2-1b/financial-phrasebank-qlora",
    "llama3.2-1b/sst2-qlora", "llama3.3-70b/alpaca-full-zero3-offload", "llama3.3-70b/chat-qlora",
}  # fmt: skip


def test_what_was_promised_is_there() -> None:
    assert set(SHIPPED) >= PROMISED


@pytest.mark.parametrize("reference", SHIPPED)
def test_it_is_valid_possible_on_a_gpu_and_named_by_its_place(reference: str) -> None:
    recipe = load_recipe(reference)
    assert recipe.name == reference.replace("/", "-")
    assert recipe.description
    assert recipe_refusal(recipe, "cuda") is None


@pytest.mark.parametrize("reference", SHIPPED)
def test_its_header_says_what_why_on_what_and_what_to_expect(reference: str) -> None:
    lines = (shipped_folder("recipes") / f"{reference}.yaml").read_text().splitlines()
    first_key = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    told = [line[2:].split(":")[0] for line in lines[:first_key] if not line.startswith("#  ")]
    assert tuple(told) == HEADER


def reachable(recipe: Recipe) -> bool:
    """Whether its model is made on the spot, or lies beside the repository."""
    return isinstance(recipe.model, Scratch) or recipe.model.name_or_path.startswith("../shared/")


def planned() -> list[str]:
    return [reference for reference in SHIPPED if reachable(load_recipe(reference))]


@pytest.mark.parametrize("reference", planned())
def test_it_can_be_planned_where_model_and_rows_are_at_hand(
    reference: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the recipes' own paths stand beside the repository, as ../shared
    (tmp_path / "shared").symlink_to(shared)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    plan = preview(load_recipe(reference), Local(backend="local", workers=1)).plan
    assert plan.batches.documents
    assert plan.rows.test is not None
    assert plan.rows.test >= 100
