"""`method:` which weights are trained, and how the rest are stored."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from launcher.recipe.section import Section


class Full(Section):
    """Every weight is trained."""

    kind: Literal["full"]


class Adapter(Section):
    """What LoRA and QLoRA share."""

    r: PositiveInt = 16
    lora_alpha: PositiveInt = 32
    lora_dropout: Annotated[NonNegativeFloat, Field(lt=1)] = 0.0
    target_modules: Literal["all-linear"] | list[str] = "all-linear"
    modules_to_save: list[str] = []
    """Modules trained whole and saved with the adapter; a classification head is always among them."""


class Lora(Adapter):
    """Low-rank adapters beside frozen weights (https://arxiv.org/abs/2106.09685)."""

    kind: Literal["lora"]


class Quantization(Section):
    """How bitsandbytes stores the frozen weights (https://arxiv.org/abs/2305.14314)."""

    type: Literal["nf4"] = "nf4"
    double_quantization: bool = True
    compute_dtype: Literal["float32", "bfloat16"] | None = None
    """Type the matrices are multiplied in; by default what `training.precision` says."""


class QLora(Adapter):
    """LoRA over a base quantised to 4 bits."""

    kind: Literal["qlora"]
    quantization: Quantization = Quantization()


Method = Annotated[Full | Lora | QLora, Field(discriminator="kind")]
