"""What is exported loads without the launcher, and computes what the run's model does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import AutoPeftModelForCausalLM, AutoPeftModelForSequenceClassification
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel

from launcher.checkpoint.contents import Damaged
from launcher.checkpoint.heartbeat import ordered
from launcher.checkpoint.journal import Journal
from launcher.errors import InvalidInput
from launcher.export.export import EXACT, ROUGH, Exported, Wanted, apart, export
from launcher.export.fp32 import compute_in_fp32
from launcher.export.layout import NotAsWritten, read_layout, write_layout
from launcher.model.adapt import TrainableModel
from launcher.model.release import BaseName
from launcher.model.tokenizer import load_tokenizer
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store
from tests.export.committed_run import commit, finish, open_run, trained_like
from tests.faults.s3 import KEYS, new_bucket, s3_server

RecipeOf = Callable[..., Recipe]
HEAD = {"kind": "classification", "text": "{text}", "labels": ["a", "b", "c"]}
QLORA = {"kind": "qlora"}
CASES: dict[str, dict[str, Any]] = {
    "full": {},
    "full with added tokens": {"tokens": ["<a>", "<b>"]},
    "full with a head": {"task": HEAD},
    "lora": {"method": {"kind": "lora"}},
    "lora in bf16": {"method": {"kind": "lora"}, "training": {"precision": "bf16"}},
    "lora with dora": {"method": {"kind": "lora", "use_dora": True}},
    "lora with added tokens": {"method": {"kind": "lora"}, "tokens": ["<a>", "<b>"]},
    "lora with whole norms": {"method": {"kind": "lora", "modules_to_save": ["input_layernorm"]}},
    "lora with a head": {"method": {"kind": "lora"}, "task": HEAD},
    "lora with a head in bf16": {"method": {"kind": "lora"}, "task": HEAD, "training": {"precision": "bf16"}},
    "qlora": {"method": QLORA},
    "qlora in bf16": {"method": QLORA, "training": {"precision": "bf16"}},
    "qlora in 8 bits": {"method": {**QLORA, "quantization": {"type": "int8"}}},
}


@dataclass(frozen=True, slots=True)
class Run:
    """A run with commits after steps 10 and 20, and the models that they are of."""

    folder: Path
    recipe: Recipe
    base: Path
    models: tuple[TrainableModel, TrainableModel]

    def export(self, to: Path | str, told: list[str] | None = None, **wanted: Any) -> Exported:
        return export(Wanted(str(self.folder), str(to), **wanted), ([] if told is None else told).append)

    def finish(self, model: TrainableModel) -> None:
        store = Store.open(str(self.folder))
        attempt = Journal(store).open_attempt("local", "2", ["here"], gone=ordered)
        finish(store, attempt, self.recipe, self.base, model, self.folder.parent / "made")


def make_run(folder: Path, recipe_of: RecipeOf, base: Path, case: str) -> Run:
    sections = dict(CASES[case])
    tokens = sections.pop("tokens", [])
    model = {"kind": "pretrained", "name_or_path": str(base), "add_tokens": tokens}
    recipe = recipe_of(model=model, **sections)
    store = Store.open(str(folder / "run"))
    models = trained_like(recipe, base, seed=1), trained_like(recipe, base, seed=2)
    commit(store, open_run(store, recipe), recipe, base, *models)
    return Run(folder / "run", recipe, base, models)


@pytest.fixture
def full(tmp_path: Path, recipe_of: RecipeOf, stories: Path) -> Run:
    return make_run(tmp_path, recipe_of, stories, "full")


@torch.no_grad()
def logits(model: nn.Module) -> torch.Tensor:
    """In fp32, of tokens that the launcher's own check does not ask about; a Llama's head takes one row at a time."""
    compute_in_fp32(model)
    model.eval()
    return torch.cat([model(input_ids=row).logits for row in torch.arange(3, 503, 5).view(4, 1, 25)])


def loaded(folder: Path, case: str, kind: str) -> nn.Module:
    """As the documentation of transformers and peft says; they find the base of an adapter by its name."""
    head = CASES[case].get("task") == HEAD
    options: dict[str, Any] = {}
    auto: Any = AutoModelForSequenceClassification if head else AutoModelForCausalLM
    if kind == "adapter":
        auto = AutoPeftModelForSequenceClassification if head else AutoPeftModelForCausalLM
        options = ({"num_labels": 3} if head else {}) | ({"dtype": torch.bfloat16} if "bf16" in case else {})
    model: nn.Module = auto.from_pretrained(folder, **options)
    return model


@pytest.mark.parametrize("case", CASES)
def test_what_is_exported_loads_by_transformers_and_peft_alone(
    case: str, tmp_path: Path, recipe_of: RecipeOf, stories: Path
) -> None:
    run = make_run(tmp_path, recipe_of, stories, case)
    own = logits(run.models[1])
    exported = run.export(tmp_path / "out")
    assert exported.difference == 0
    assert exported.kind == ("model" if case.startswith("full") else "adapter")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer.get_vocab() == load_tokenizer(stories, run.recipe.model).get_vocab()
    # Over another base than it was trained over; or with a head that PEFT reads into the base's 16 bits
    if not case.startswith("qlora") and case != "lora with a head in bf16":
        assert apart(logits(loaded(tmp_path / "out", case, exported.kind)), own) <= EXACT
    if exported.kind == "adapter":
        merged = run.export(tmp_path / "merged", merge=True)
        assert merged.kind == "merged model"
        assert merged.difference <= EXACT
        rough = ROUGH if case == "qlora in 8 bits" else EXACT
        assert apart(logits(loaded(tmp_path / "merged", case, merged.kind)), own) <= rough
        assert merged.rounding <= rough
        assert "quantization_config" not in (tmp_path / "merged/config.json").read_text()


def test_the_finished_model_is_exported_where_there_is_one(tmp_path: Path, recipe_of: RecipeOf, stories: Path) -> None:
    run = make_run(tmp_path, recipe_of, stories, "lora")
    told: list[str] = []
    run.export(tmp_path / "newest", told)
    assert told == ["the run has not ended: from its commit after step 20"]
    finished = trained_like(run.recipe, stories, seed=3)
    run.finish(finished)
    told.clear()
    run.export(tmp_path / "finished", told)
    run.export(tmp_path / "first", told, step=10)
    assert told == []
    for folder, model in (("newest", run.models[1]), ("finished", finished), ("first", run.models[0])):
        assert apart(logits(loaded(tmp_path / folder, "lora", "adapter")), logits(model)) <= EXACT, folder


def test_weights_are_written_in_shards(full: Run, tmp_path: Path) -> None:
    model, tokenizer = full.models[0], load_tokenizer(full.base, full.recipe.model)
    write_layout(model, tokenizer, BaseName("", None), tmp_path / "out", shard="200KB")
    shards = list((tmp_path / "out").glob("model-*.safetensors"))
    assert len(shards) > 3
    assert (tmp_path / "out/model.safetensors.index.json").is_file()
    assert isinstance(model, PreTrainedModel)
    assert torch.equal(logits(read_layout(type(model), tmp_path / "out")), logits(model))


def test_a_tensor_on_the_disk_that_is_not_the_models_is_told(full: Run, tmp_path: Path) -> None:
    tokenizer, folder = load_tokenizer(full.base, full.recipe.model), tmp_path / "out"
    write_layout(full.models[0], tokenizer, BaseName("", None), folder)
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    with pytest.raises(NotAsWritten, match="is not the model's"):
        write_layout(full.models[1], tokenizer, BaseName("", None), folder)


def test_an_export_is_stored_and_read_back_over_s3(full: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        url = f"s3://{new_bucket(endpoint)}/models/one"
        exported = full.export(url)
        assert exported.place == url
        Store.open(f"{url.rpartition('/')[0]}").download("one", tmp_path / "out")
        with pytest.raises(InvalidInput, match="is not empty"):
            full.export(url)
    assert torch.equal(logits(loaded(tmp_path / "out", "full", "model")), logits(full.models[1]))


def test_what_cannot_be_exported_is_refused_in_one_line(full: Run, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used/file").write_text("")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"to": tmp_path / "used"}, f"--to: {tmp_path}/used is not empty"),
        ({"to": tmp_path / "used/file"}, f"--to: {tmp_path}/used/file is not empty"),
        ({"to": tmp_path / "out", "merge": True}, "--merge: moods trained every weight"),
        ({"to": tmp_path / "out", "step": 15}, r"no live commit after step 15 \(it has: 10, 20\)"),
    ]
    for wanted, told in refused:
        with pytest.raises(InvalidInput, match=told) as caught:
            full.export(**wanted)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_base_is_refused(tmp_path: Path, recipe_of: RecipeOf, stories: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    for path in stories.iterdir():
        (base / path.name).write_bytes(path.read_bytes())
    run = make_run(tmp_path, recipe_of, base, "lora")
    config = base / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(InvalidInput, match="holds another base than the run was trained on"):
        run.export(tmp_path / "out")
    run.finish(run.models[0])
    with pytest.raises(InvalidInput, match="holds another base than the run was trained on"):
        run.export(tmp_path / "out")


def test_a_damaged_commit_is_passed_over_or_where_it_was_asked_for_refused(full: Run, tmp_path: Path) -> None:
    weights = max((full.folder / "checkpoints").iterdir()) / "rank-0.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    with pytest.raises(Damaged, match="another checksum than when it was written"):
        full.export(tmp_path / "out", step=20)
    told: list[str] = []
    full.export(tmp_path / "out", told)
    assert told[0].startswith("the commit after step 20 is passed over: ")
    assert told[1:] == ["the run has not ended: from its commit after step 10"]
    assert torch.equal(logits(loaded(tmp_path / "out", "full", "model")), logits(full.models[0]))
