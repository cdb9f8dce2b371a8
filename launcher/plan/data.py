"""The data of a plan, looked at with the model's tokenizer."""

from typing import TYPE_CHECKING

from launcher.plan.preview import Preview

if TYPE_CHECKING:
    from launcher.data.checks import DataReport


def checked_data(ahead: Preview) -> "DataReport":
    """Every check of rows that were read.

    Raises:
        InvalidInput: the model has no tokenizer that loads, or task and tokenizer do not go together.
    """
    from launcher.data.checks import check_data
    from launcher.model.base import base_folder
    from launcher.model.fetch import WITHOUT_WEIGHTS
    from launcher.model.quiet import quiet_libraries
    from launcher.model.tokenizer import load_tokenizer

    quiet_libraries("cpu")
    with base_folder(ahead.recipe, ahead.dataset.train, WITHOUT_WEIGHTS) as folder:
        tokenizer = load_tokenizer(folder, ahead.recipe.model)
        return check_data(ahead.recipe, ahead.dataset, tokenizer, ahead.config)
