"""NEFTune: uniform noise on the embeddings while training (https://arxiv.org/abs/2310.05914)."""

from transformers.integrations.neftune import activate_neftune

from launcher.model.adapt import TrainableModel


def add_neftune(model: TrainableModel, alpha: float) -> None:
    """Add noise of at most `alpha / sqrt(tokens x width)` to every embedding from now on, in training mode only.

    `tokens` counts a batch's padding, as in Hugging Face's Trainer. The noise is drawn from torch's global generator,
    which is seeded for each micro-batch. Call it before the model is wrapped by an engine.
    """
    activate_neftune(model, alpha)  # type: ignore[no-untyped-call]
