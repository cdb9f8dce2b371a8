"""Fine-tune Llama-family models on GPU clusters and never lose a run."""

__version__ = "0.1.0"
