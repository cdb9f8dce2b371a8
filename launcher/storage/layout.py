"""Where things are in a run directory."""

RECIPE = "recipe.yaml"
"""The resolved recipe."""
BASE = "base"
"""Folder of a base model that was made for the run."""
MODEL = "model"
"""Folder of what was trained: an adapter or a whole model, with its tokenizer."""
BASE_SCORES = "evaluation/base-scores.json"
METRICS = "evaluation/metrics.json"
PREDICTIONS = "evaluation/predictions.csv"


def tuned_scores(attempt: int) -> str:
    """The tuned model's scores of the test rows, each attempt's own."""
    return f"evaluation/tuned-scores-{attempt}.json"


def rank_log(attempt: int, rank: int) -> str:
    """What a rank printed."""
    return f"logs/{attempt}-{rank}.log"
