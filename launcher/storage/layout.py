"""Where things are in a run directory, and beside it."""

DATASETS = "datasets"
"""Beside the runs: data sets that were prepared for them, each in a folder named by its digest."""
HOSTS = "hosts"
"""Beside the runs: what is known of bad hosts."""

RECIPE = "recipe.yaml"
"""The resolved recipe."""
BASE = "base"
"""Folder of a base model that was made for the run."""
CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints, each in one of its own."""
MODEL = "model"
"""Folder of what was trained: an adapter or a whole model, with its tokenizer."""
BASE_SCORES = "evaluation/base-scores.json"
METRICS = "evaluation/metrics.json"
PREDICTIONS = "evaluation/predictions.csv"
GENERATIONS = "evaluation/generations.jsonl"
"""What base and tuned model wrote after test rows' prompts, where `launcher evaluate --keep` was asked to."""
WANDB_ADDRESS = "wandb/address"
"""Where a browser finds the run at W&B; only where it was reached."""


def recipe_name(number: int) -> str:
    """The recipe that a run was begun with, as number 1; one that was allowed to differ has the next number."""
    return RECIPE if number == 1 else f"recipe-{number}.yaml"


def profile_name(number: int) -> str:
    """A cluster profile that the run was submitted with, from 1; one that changed has the next number."""
    return f"profile-{number}.yaml"


def tuned_scores(attempt: int) -> str:
    """The tuned model's scores of the test rows, each attempt's own."""
    return f"evaluation/tuned-scores-{attempt}.json"


def checkpoint_folder(step: int, attempt: int, nonce: str) -> str:
    """Where an attempt keeps what it had trained after a step; no other attempt writes there."""
    return f"{CHECKPOINTS}/{step:08d}-{attempt}-{nonce[:8]}"


def rank_log(attempt: int, rank: int) -> str:
    """What a rank printed."""
    return f"logs/{attempt}-{rank}.log"
