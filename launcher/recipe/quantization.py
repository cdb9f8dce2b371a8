"""`method.quantization:` how bitsandbytes stores the frozen weights."""

from typing import Literal, TypeVar

from pydantic import NonNegativeFloat, ValidationInfo, field_validator

from launcher.recipe.section import Section

T = TypeVar("T")


class Quantization(Section):
    """4 bits (https://arxiv.org/abs/2305.14314) or 8 (https://arxiv.org/abs/2208.07339); null stands for a default."""

    type: Literal["nf4", "fp4", "int8"] = "nf4"
    double_quantization: bool | None = None
    """Quantise the constants of 4-bit weights too; by default yes."""
    compute_dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """Type that 4-bit matrices are multiplied in; by default what `training.precision` says."""
    storage_dtype: Literal["uint8", "bfloat16", "float16", "float32"] | None = None
    """Type that 4-bit weights are packed into; by default uint8. Sharding may ask for the type of all other weights."""
    outlier_threshold: NonNegativeFloat | None = None
    """int8 multiplies inputs above this in 16 bits; by default 6.0, and 0 multiplies all in 8."""

    @field_validator("double_quantization", "compute_dtype", "storage_dtype")
    @classmethod
    def _of_4_bits(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and info.data.get("type") == "int8":
            raise ValueError("int8 weights have no such choice; leave it out, or give null")
        return value

    @field_validator("outlier_threshold")
    @classmethod
    def _of_8_bits(cls, value: T, info: ValidationInfo) -> T:
        if value is not None and info.data.get("type") in ("nf4", "fp4"):
            raise ValueError("only type int8 looks for outliers; leave it out, or give null")
        return value
