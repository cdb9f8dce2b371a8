"""What a reader wants to know of a run in a word or a number: tiles, plan, versions, and how to do it again."""

import math
import platform
import shlex
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import launcher
from launcher.draw.scale import short, size, span
from launcher.evaluate.table import BASE, TUNED
from launcher.recipe.method import Adapter
from launcher.recipe.recipe import Recipe
from launcher.recipe.strategy import Auto
from launcher.report.record import RunRecord
from launcher.report.summary import Summary

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "deepspeed", "ray", "scikit-learn", "numpy")


class Fact(NamedTuple):
    name: str
    value: str
    more: str = ""


def tiles(run: RunRecord, told: Summary) -> list[Fact]:
    """The numbers at the head of a report."""
    found: list[Fact] = []
    if TUNED in run.metrics:
        tuned, base = run.metrics[TUNED], run.metrics[BASE]
        interval = f"95 % interval {tuned.accuracy_low:.3f} to {tuned.accuracy_high:.3f}; base {base.accuracy:.3f}"
        found.append(Fact("accuracy, tuned", f"{tuned.accuracy:.3f}", interval))
        found.append(Fact("macro-F1, tuned", f"{tuned.macro_f1:.3f}", f"base {base.macro_f1:.3f}"))
    elif run.result is not None:
        base_loss, loss = run.result[BASE]["loss"], run.result[TUNED]["loss"]
        found.append(Fact("test loss, tuned", f"{loss:.4f}", f"base {base_loss:.4f}"))
        found.append(Fact("perplexity, tuned", f"{math.exp(loss):.2f}", f"base {math.exp(base_loss):.2f}"))
    trained = told.trained_parameters
    found.append(Fact("steps", f"{told.steps:,}", f"in {told.attempts} attempt{'s' * (told.attempts != 1)}"))
    found.append(Fact("wall time", span(told.wall_s), f"goodput {told.goodput:.0%}"))
    if told.tokens_per_second is not None:
        found.append(
            Fact("tokens a second", short(told.tokens_per_second), f"{_workers(told)} together" if told.workers else "")
        )
    if told.memory_gib is not None:
        found.append(Fact("peak memory", f"{told.memory_gib:.2f} GiB", "of rank 0"))
    if trained is not None:
        more = "" if told.model_bytes is None else f"{size(told.model_bytes)} stored"
        found.append(Fact("trained parameters", short(trained), more))
    return found


def plan(recipe: Recipe, told: Summary, run: RunRecord) -> list[Fact]:
    """What was asked for, and what it came to."""
    training, method = recipe.training, recipe.method
    adapter = f", r {method.r}, alpha {method.lora_alpha}" if isinstance(method, Adapter) else ""
    epochs = training.num_train_epochs or 1
    length = f"{training.max_steps:,} steps" if training.max_steps else f"{epochs:g} epoch{'s' * (epochs != 1)}"
    batch = run.manifest.state.get("global_batch") if run.manifest is not None else training.global_batch_size
    return [
        Fact("base model", told.model),
        Fact("method", f"{told.method}{adapter}", f"quantisation {told.quantization}"),
        Fact("task", recipe.task.kind),
        Fact("strategy", told.strategy, ", ".join(filter(None, [_workers(told), _chosen(recipe)]))),
        Fact("precision", told.precision),
        Fact("length", length, f"rows of {training.max_length:,} tokens at most, {training.mode}"),
        Fact("global batch", "not told" if batch is None else f"{batch:,} rows"),
        Fact("learning rate", f"{training.learning_rate:g}", f"{training.lr_scheduler_type}, {training.optim}"),
        Fact("seed", str(training.seed)),
        Fact("saved", _saving(recipe), f"the newest {training.save_total_limit or 'of all'} kept"),
        Fact("training data", ", ".join(one.source.kind for one in recipe.data.train_sources.values())),
    ]


def versions() -> list[Fact]:
    """Of the installation that makes the report."""
    found = [Fact("launcher", launcher.__version__), Fact("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append(Fact(package, version(package)))
        except PackageNotFoundError:
            continue
    return found


def commands(run: RunRecord) -> Sequence[str]:
    """What repeats the run, continues it, asks it and evaluates it."""
    place = shlex.quote(run.location)
    # A recipe is a file on this machine: of a run in an object store it is to be copied first
    recipe = f"{place}/recipe.yaml" if "://" not in run.location else "recipe.yaml"
    again = f"launcher run {recipe}   # digest {run.recipe.digest[:12]}"
    if not run.finished:
        return [again, f"launcher run {recipe} --run-id {shlex.quote(run.run_id)}   # goes on from its newest commit"]
    ask = "TEXT" if run.metrics else "TEXT --generate 60"
    return [again, f"launcher evaluate {place}", f"launcher predict {place} {ask}"]


def _workers(told: Summary) -> str:
    return "" if told.workers is None else f"{told.workers} worker{'s' * (told.workers != 1)}"


def _chosen(recipe: Recipe) -> str:
    return "chosen by auto" if isinstance(recipe.strategy, Auto) else ""


def _saving(recipe: Recipe) -> str:
    training = recipe.training
    how = {
        "steps": f"every {training.save_steps if training.save_steps is not None else 500} steps",
        "minutes": f"every {training.save_minutes or 15:g} minutes",
        "epoch": "each epoch",
        "auto": "as often as it pays",
        "no": "never",
    }
    return how[training.saving]
