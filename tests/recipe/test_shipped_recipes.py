"""Every recipe that comes with the launcher, wherever under recipes/ it stands."""

import json
from pathlib import Path

import pytest

from launcher.cluster.profile import Local
from launcher.plan.verb import Asked, plan_recipe
from launcher.recipe.load import load_recipe
from launcher.recipe.possible import recipe_refusal
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
    header = " ".join(lines[:first_key])
    assert ("two CPU cores" in header) != ("Not run here" in header), "what was not run is said to be so"


ROOM = {  # GPUs and accelerator that its header speaks of, where it does not speak of CPU cores
    "bert-base/imdb": (1, "L4"), "bert-base/imdb-lora": (1, "L4"),
    "llama2-7b/financial-phrasebank-lora": (1, "A10G"), "llama2-7b/financial-phrasebank-qlora": (1, "A10G"),
    "llama2-7b/imdb-lora": (1, "A100-40"), "llama2-7b/medical-terms-qlora": (1, "A10G"),
    "llama2-7b/sst2-classification-lora": (1, "A10G"), "llama2-7b/sst2-lora": (1, "A10G"),
    "llama3.1-8b/alpaca-full-zero3": (8, "A100-40"), "llama3.1-8b/chat-lora": (1, "A100-40"),
    "llama3.1-8b/text-pretrain-zero3": (8, "H100"), "llama3.2-1b/financial-phrasebank-qlora": (1, "A10G"),
    "llama3.2-1b/sst2-qlora": (1, "A10G"), "llama3.3-70b/alpaca-full-zero3-offload": (16, "H100"),
    "llama3.3-70b/chat-qlora": (4, "A100-40"),
}  # fmt: skip


@pytest.mark.parametrize("reference", SHIPPED)
def test_it_can_be_planned_and_fits_the_machines_that_its_header_names(
    reference: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the recipes' own paths stand beside the repository, as ../shared
    (tmp_path / "shared").symlink_to(shared)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    recipe = load_recipe(reference)
    gpus, accelerator = ROOM.get(reference, (1, None))
    asked = Asked(gpus, accelerator, rows=1000) if accelerator else Asked()
    told, code = plan_recipe(recipe, Local(backend="local", workers=1), asked, as_json=True)
    assert code == 0, told
    plan = json.loads(told)
    if not accelerator:
        assert plan["rows"]["test"] >= 100
