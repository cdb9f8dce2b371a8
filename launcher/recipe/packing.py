"""Which models learn from packs: rows that hold several documents each."""

from launcher.recipe.encoder import ENCODERS

PACKABLE = frozenset(
    {
        *("gemma", "gemma3_text", "granite", "llama", "mistral", "mixtral", "olmo2", "olmo3", "phi3"),
        *("qwen2", "qwen3", "qwen3_moe", "smollm3"),
    }
)
"""The `model_type` of models whose documents in a pack are proven not to see one another: tests/model/test_packing.py.

Not every causal model in transformers keeps them apart: OPT, Falcon, Bloom and Mamba let each document read those
before it.
"""


def packing_refusal(model_type: str | None) -> str | None:
    """Why a model cannot learn from packs, with the mend; None where it can. What tasks can is in `table.py`."""
    mend = "say training.packing: false"
    if model_type in ENCODERS:
        return f"{model_type} reads a text in both directions, across the documents of a pack; {mend}"
    if model_type not in PACKABLE:
        known = ", ".join(sorted(PACKABLE))
        return f"{model_type} is not known to keep the documents of a pack apart, as {known} do; {mend}"
    return None
