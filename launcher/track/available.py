"""Whether what a recipe reports to is installed."""

from importlib.util import find_spec

from launcher.errors import InvalidInput
from launcher.recipe.tracking import Tracking


def check_trackers(tracking: Tracking) -> None:
    """See, before a run begins, that it can report to whom its recipe says; TensorBoard's writer always is there.

    Raises:
        InvalidInput: wandb is asked for and not installed.
    """
    if "wandb" in tracking.report_to:
        check_wandb("tracking.report_to")


def check_wandb(place: str) -> None:
    """The same for W&B alone, asked for at a place that the message names."""
    if find_spec("wandb") is None:
        mend = "pip install 'llama-launcher[wandb]'"
        raise InvalidInput(f"{place}: wandb is not installed; {mend}")
