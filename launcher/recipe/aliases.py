"""Other names for fields: those that transformers 5 dropped, and those in common use.

A document is renamed as it is read, before it is merged over another: so an alias in a file or an override replaces
what a parent says under the field's own name.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from launcher.recipe.explain import found
from launcher.recipe.problem import KeyPath, Mark, OverrideMark, Problem, dotted
from launcher.recipe.yaml_source import Document, paths

FieldPath = tuple[str, ...]
Means = Callable[[Any], Any]
"""The field's value that an alias' value stands for.

Raises:
    ValueError: what was expected.
"""


def _same(value: Any) -> Any:
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


@dataclass(frozen=True, slots=True)
class Flag:
    """True is one value of the field. False says only that the field has another one."""

    on: str
    off: str

    def __call__(self, value: Any) -> str:
        return self.on if _boolean(value) else self.off


@dataclass(frozen=True, slots=True)
class Side:
    """True is one of some values of the field, false one of all others: the first, unless another is given."""

    true: tuple[Any, ...]
    false: tuple[Any, ...]

    def __call__(self, value: Any) -> tuple[Any, ...]:
        return self.true if _boolean(value) else self.false


def _precision(value: Any) -> Any:
    return "fp32" if value == "no" else value


def _trackers(value: Any) -> Any:
    """`report_to` of transformers: a name or several, `all` or `none`."""
    names = value if isinstance(value, list) else [value]
    if names in (["none"], [None]):
        return []
    return ["tensorboard", "wandb"] if names == ["all"] else names


def _long_documents(value: Any) -> Any:
    """`packing_strategy` of TRL, whose names are those of what becomes of a document longer than a pack."""
    means = {"bfd": "truncate", "bfd_split": "split"}
    if value not in tuple(means):
        raise ValueError(" or ".join(means))
    return means[value]


@dataclass(frozen=True, slots=True)
class Alias:
    """The field that an alias stands for."""

    field: FieldPath
    means: Means = _same
    takes: Mapping[str, Any] | None = None
    """JSON Schema of the alias' values, where it is not the field's."""


_QUANTIZATION = ("method", "quantization")
_NAMES: dict[str, tuple[str, ...]] = {
    "evaluation.batch_size": (
        "training.eval_batch_size",
        "training.per_device_eval_batch_size",
        "training.per_gpu_eval_batch_size",
    ),
    "method.lora_alpha": ("method.alpha",),
    "method.lora_dropout": ("method.dropout",),
    "method.r": ("method.lora_r", "method.lora_rank", "method.rank"),
    "method.target_modules": ("method.lora_target_modules",),
    "method.warm_start": ("method.adapter_name_or_path",),
    "training.eval_strategy": ("training.evaluation_strategy",),
    "training.gradient_checkpointing": ("training.activation_checkpointing",),
    "training.learning_rate": ("training.lr",),
    "training.lr_scheduler_type": ("training.lr_scheduler", "training.scheduler"),
    "training.max_grad_norm": ("training.clip_grad_norm", "training.gradient_clipping"),
    "training.max_length": ("training.max_seq_len", "training.max_seq_length", "training.model_max_length"),
    "training.num_train_epochs": ("training.epochs", "training.num_epochs"),
    "training.optim": ("training.optimizer",),
    "training.packing": ("training.sample_packing",),
    "training.per_device_train_batch_size": (
        "training.micro_batch",
        "training.micro_batch_size",
        "training.per_gpu_train_batch_size",
    ),
    "training.seed": ("training.random_seed",),
    "training.use_liger_kernel": ("training.enable_liger_kernel", "training.use_liger"),
}
"""Names whose values are the field's, by field."""
_QUANTIZATION_NAMES: dict[str, tuple[str, ...]] = {
    "compute_dtype": ("bnb_4bit_compute_dtype",),
    "double_quantization": ("bnb_4bit_use_double_quant", "double_quant", "use_double_quant", "use_nested_quant"),
    "outlier_threshold": ("llm_int8_threshold",),
    "storage_dtype": ("bnb_4bit_quant_storage",),
    "type": ("bnb_4bit_quant_type",),
}
"""Likewise those of bitsandbytes, which are known under `method` and under `method.quantization`."""

_BOOLEAN = {"type": "boolean"}
_TYPE = (*_QUANTIZATION, "type")
_4_BITS, _8_BITS = ("nf4", "fp4"), ("int8",)
_QUANTIZATION_ALIASES = {
    **{name: Alias((*_QUANTIZATION, field)) for field, names in _QUANTIZATION_NAMES.items() for name in names},
    "load_in_4bit": Alias(_TYPE, Side(_4_BITS, _8_BITS), _BOOLEAN),
    "load_in_8bit": Alias(_TYPE, Side(_8_BITS, _4_BITS), _BOOLEAN),
}

ALIASES: dict[FieldPath, Alias] = {
    **{tuple(name.split(".")): Alias(tuple(field.split("."))) for field, names in _NAMES.items() for name in names},
    **{("method", name): alias for name, alias in _QUANTIZATION_ALIASES.items()},
    **{(*_QUANTIZATION, name): alias for name, alias in _QUANTIZATION_ALIASES.items()},
    ("training", "adafactor"): Alias(("training", "optim"), Flag("adafactor", "adamw_torch_fused"), _BOOLEAN),
    ("training", "bf16"): Alias(("training", "precision"), Flag("bf16", "fp32"), _BOOLEAN),
    ("training", "fp16"): Alias(("training", "precision"), Flag("fp16", "fp32"), _BOOLEAN),
    ("training", "group_by_length"): Alias(
        ("training", "train_sampling_strategy"), Flag("group_by_length", "random"), _BOOLEAN
    ),
    ("training", "mixed_precision"): Alias(("training", "precision"), _precision, {"enum": ["no", "fp16", "bf16"]}),
    # LLaMA-Factory packs, or packs neatly (documents apart); here is no other way, so its false takes nothing back
    ("training", "neat_packing"): Alias(("training", "packing"), Side((True,), (False, True)), _BOOLEAN),
    ("training", "packing_strategy"): Alias(
        ("training", "long_documents"), _long_documents, {"enum": ["bfd", "bfd_split"]}
    ),
    ("training", "report_to"): Alias(("tracking", "report_to"), _trackers, {"type": ["string", "array", "null"]}),
}

_DTYPES = {
    "bf16": "bfloat16",
    "float": "float32",
    "fp16": "float16",
    "fp32": "float32",
    "half": "float16",
    "torch.bfloat16": "bfloat16",
    "torch.float16": "float16",
    "torch.float32": "float32",
}
VALUES: dict[FieldPath, dict[Any, Any]] = {
    (*_QUANTIZATION, "compute_dtype"): _DTYPES,
    (*_QUANTIZATION, "storage_dtype"): {**_DTYPES, "torch.uint8": "uint8"},
    ("training", "max_grad_norm"): {0: None},
    ("training", "max_steps"): {-1: None},
    ("training", "metric_for_best_model"): {
        "eval_loss": "loss",
        "eval_accuracy": "accuracy",
        "eval_macro_f1": "macro_f1",
        "f1_macro": "macro_f1",
    },
    ("training", "optim"): {
        "adamw": "adamw_torch",
        "adamw_8bit": "adamw_bnb_8bit",
        "adamw_hf": "adamw_torch",
        "paged_adamw": "paged_adamw_32bit",
    },
}
"""Other ways to write a field's value."""


def aliased(path: FieldPath) -> FieldPath:
    """The path of the field that a path means."""
    return ALIASES[path].field if path in ALIASES else path


def without_aliases(document: Document, below: Document, problems: list[Problem]) -> Document:
    """The document under the fields' own names; an alias beside its field is a contradiction.

    Args:
        below: What the document will be merged over: flags and places of sections hang on it.
    """
    given = [path for path in ALIASES if path[-1] in _holder(document.values, path)]
    renaming = _Renaming(copy.deepcopy(document.values), dict(document.marks), below, problems)

    def says_less(path: FieldPath) -> tuple[bool, bool]:
        """Whether it is a flag, and a false one: these come after all that may say more."""
        return isinstance(ALIASES[path].means, Flag | Side), _at(document.values, path) is False

    for path in sorted(given, key=says_less):
        renaming.rename(path, ALIASES[path])
    renaming.translate()
    return Document(renaming.values, {path: renaming.marks[path] for path in paths(renaming.values)})


@dataclass(slots=True)
class _Renaming:
    values: dict[str, Any]
    marks: dict[KeyPath, Mark | OverrideMark]
    below: Document
    problems: list[Problem]

    def rename(self, source: FieldPath, alias: Alias) -> None:
        mark, field = self.marks[source], dotted(alias.field)
        if alias.field[:2] == _QUANTIZATION and self._method() in ("full", "lora"):
            self._refuse_quantization(source[:2])
            return
        written = _holder(self.values, source).pop(source[-1])
        try:
            value = alias.means(written)
        except ValueError as expected:
            self.problems.append(Problem(mark, dotted(source), f"expected {expected}, found {found(written)}"))
            return
        beside = alias.field[-1] in _holder(self.values, alias.field)
        now = _at(self.values if beside else self.below.values, alias.field)
        if isinstance(alias.means, Flag) and written is False and now != alias.means.on:
            return
        if isinstance(alias.means, Side):
            value = now if now in value else value[0]
            if beside and value == now:
                return
        if beside:
            where = f"{field} is given at {self.marks[alias.field]}"
            self.problems.append(Problem(mark, dotted(source), f"this is another name of {field}: keep one", where))
            return
        self._put(source, alias.field, value, mark)

    def _method(self) -> Any:
        kind = ("method", "kind")
        return _at(self.values, kind) or _at(self.below.values, kind)

    def _refuse_quantization(self, path: FieldPath) -> None:
        problem = Problem(self.marks[path], dotted(path), "unknown key", "quantisation is method.kind: qlora")
        if problem not in self.problems:
            self.problems.append(problem)

    def _put(self, source: FieldPath, target: FieldPath, value: Any, mark: Mark | OverrideMark) -> None:
        holder = self.values
        for depth, key in enumerate(target[:-1], 1):
            if key not in holder:
                holder[key] = {}
                self.marks[target[:depth]] = self.below.marks.get(target[:depth], mark)
            holder = holder[key]
            if not isinstance(holder, dict):
                return  # the schema refuses the section
        holder[target[-1]] = value
        for path in paths(value, target):
            self.marks[path] = self.marks.get((*source, *path[len(target) :]), mark)

    def translate(self) -> None:
        for path, meanings in VALUES.items():
            value = _at(self.values, path)
            if isinstance(value, int | float | str) and not isinstance(value, bool) and value in meanings:
                _holder(self.values, path)[path[-1]] = meanings[value]


def _holder(values: Any, path: FieldPath) -> dict[str, Any]:
    """The mapping that a path's last key may stand in; a new one where there is none."""
    for key in path[:-1]:
        values = values.get(key) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}


def _at(values: dict[str, Any], path: FieldPath) -> Any:
    return _holder(values, path).get(path[-1])
