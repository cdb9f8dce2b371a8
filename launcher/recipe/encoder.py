"""Models that read a text in both directions: they classify, and cannot write."""

ENCODERS = {
    *("albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "ernie"),
    *("longformer", "mobilebert", "modernbert", "mpnet", "roberta", "xlm-roberta"),
}
"""Their `model_type` in config.json. transformers loads some as causal models all the same, and they learn nothing."""


def encoder_refusal(model_type: str | None, task: str) -> str | None:
    """Why a model cannot learn a task of this kind, with the mend; None where it can."""
    if model_type not in ENCODERS or task == "classification":
        return None
    return f"{model_type} is an encoder and writes no text; use task.kind classification, or a causal model"
