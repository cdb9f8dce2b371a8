"""Documents, whole: each token but the first is foreseen from those before it."""

from launcher.data.encode.example import IGNORED, Example
from launcher.data.encode.tokenizer import Tokenizer, end_token_id
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.recipe.task import Text
from launcher.recipe.training import LongDocuments


def text_examples(
    row: Row, task: Text, tokenizer: Tokenizer, max_length: int, long: LongDocuments = "split"
) -> list[Example]:
    """A document in pieces of `max_length` tokens at the most, or the first of them alone.

    A piece begins with the last token of the one before it, so every token but the document's first is counted once.
    """
    if max_length < 2:
        raise InvalidInput("training.max_length: give 2 at least: a token is foreseen from one before it")
    ids, end = tokenizer.encode(task.text.format(**row.fields), add_special_tokens=True), end_token_id(task, tokenizer)
    if ids[-1:] != [end]:  # some tokenizers write it themselves
        ids = [*ids, end]
    pieces = [ids[start : start + max_length] for start in range(0, len(ids) - 1, max_length - 1)]
    truncated = long == "truncate" and len(pieces) > 1
    kept = pieces[:1] if truncated else pieces
    return [Example(piece, [IGNORED, *piece[1:]], truncated) for piece in kept]
