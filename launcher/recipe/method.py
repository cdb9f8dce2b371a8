"""`method:` which weights are trained, and how the rest are stored."""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from launcher.recipe.quantization import Quantization
from launcher.recipe.section import Section

T = TypeVar("T")

REWRITE_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initialisations of PEFT that change the base's weights, by the first letters of their names."""
OTHER_INITS = {
    **dict.fromkeys(
        REWRITE_BASE, "rewrites the base's weights, so nothing would be left to compare the tuned model with"
    ),
    "eva": "needs a pass over the data before training, which is not built",
    "mica": "freezes one half of every adapter, which is not built",
}
"""Initialisations that are not to be had, with the reason."""


class Full(Section):
    """Every weight is trained."""

    kind: Literal["full"]


class Adapter(Section):
    """What LoRA and QLoRA share, under PEFT's names."""

    r: PositiveInt = 16
    lora_alpha: PositiveInt = 32
    lora_dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.0
    bias: Literal["none", "all", "lora_only"] = "none"
    """Biases trained with the adapters: none, the model's every one, or those of adapted layers. Llama has none."""
    target_modules: Literal["all-linear"] | list[str] = "all-linear"
    exclude_modules: list[str] = []
    """Modules that get no adapter though `target_modules` names them."""
    layers_to_transform: list[NonNegativeInt] | None = None
    """Numbers of the layers that get adapters, from 0; by default all."""
    modules_to_save: list[str] = []
    """Modules trained whole and saved with the adapter; a classification head is always among them."""
    use_dora: bool = False
    """Train each column's length apart from its direction (https://arxiv.org/abs/2402.09353)."""
    use_rslora: bool = False
    """Scale adapters by alpha / sqrt(r) instead of alpha / r (https://arxiv.org/abs/2312.03732)."""
    init_lora_weights: bool | Literal["gaussian", "orthogonal"] = True
    """How adapters start: `true`, `gaussian` and `orthogonal` change nothing at first; `false` is random and does."""
    warm_start: str | None = None
    """An adapter to go on from: a run directory or an adapter's folder, as path or URL."""
    task_type: Literal["CAUSAL_LM", "SEQ_CLS"] | None = None
    """PEFT's name of the task; it follows from `task`, and what is written here has to agree."""

    @field_validator("bias", mode="before")
    @classmethod
    def _no_hearsay(cls, value: object) -> object:
        if value in ("additive", "learned"):
            raise ValueError(
                f"expected none, all or lora_only, found {value!r}; PEFT never had that one: write none, or all or "
                "lora_only where biases are to be trained"
            )
        return value

    @field_validator("layers_to_transform")
    @classmethod
    def _layers_of_named_modules(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and info.data.get("target_modules") == "all-linear":
            raise ValueError("PEFT takes it with a list of target_modules only; name them, such as [q_proj, v_proj]")
        return value

    @field_validator("init_lora_weights", mode="before")
    @classmethod
    def _init_can_be_had(cls, value: object) -> object:
        reason = next(
            (OTHER_INITS[name] for name in OTHER_INITS if isinstance(value, str) and value.startswith(name)), ""
        )
        if reason:
            raise ValueError(f"{value} {reason}; use true or gaussian")
        return value

    @field_validator("init_lora_weights")
    @classmethod
    def _rank_is_even(cls, value: T, info: ValidationInfo) -> T:
        if value == "orthogonal" and info.data.get("r", 0) % 2:
            raise ValueError(f"orthogonal halves the rank, and r {info.data['r']} is odd; use an even one")
        return value

    @field_validator("warm_start")
    @classmethod
    def _one_start(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and info.data.get("init_lora_weights", True) is not True:
            message = "{key} and {other} contradict each other: give one of them"
            raise PydanticCustomError("contradiction", message, {"key": info.field_name, "other": "init_lora_weights"})
        return value


class Lora(Adapter):
    """Low-rank adapters beside frozen weights (https://arxiv.org/abs/2106.09685)."""

    kind: Literal["lora"]


class QLora(Adapter):
    """Adapters over a base in few bits (https://arxiv.org/abs/2305.14314)."""

    kind: Literal["qlora"]
    quantization: Quantization = Quantization()

    @field_validator("bias")
    @classmethod
    def _biases_stay(cls, value: T) -> T:
        if value != "none":
            raise ValueError(
                "bitsandbytes casts the biases of quantised layers to the type it computes in, so they cannot be "
                "trained in fp32; use none, or method.kind lora"
            )
        return value

    @field_validator("init_lora_weights")
    @classmethod
    def _init_of_quantised(cls, value: T) -> T:
        if value == "orthogonal":
            raise ValueError(
                "orthogonal draws adapters in the base's type, which is no number here; use true or gaussian"
            )
        return value


Method = Annotated[Full | Lora | QLora, Field(discriminator="kind")]
