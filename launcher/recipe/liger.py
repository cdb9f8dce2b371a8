"""`training.use_liger_kernel:` on which devices, and in which models, Liger's kernels stand in for a model's own."""

LIGER_MODELS = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""The `model_type` of models that compute the same with them: tests/model/test_liger.py."""


def liger_refusal(device: str) -> str | None:
    """Why the kernels cannot run on `cpu` or `cuda`, with the mend; None where they can."""
    if device == "cuda":
        return None
    return "use_liger_kernel is refused: Triton's kernels run on GPUs; say training.use_liger_kernel: false"


def liger_model_refusal(model_type: str | None) -> str | None:
    """Why they are not for a model, with the mend; None where they are."""
    if model_type in LIGER_MODELS:
        return None
    known = ", ".join(sorted(LIGER_MODELS))
    return f"its kernels are tested with {known}, and not with {model_type}; say false"
