"""The tokenizer: its padding token, added tokens, and whether the embedding holds it."""

from pathlib import Path
from typing import TYPE_CHECKING

from launcher.errors import InvalidInput
from launcher.recipe.model import Model, Pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PADDING = "<|finetune_right_pad_id|>"
"""The token that Llama 3 reserves for padding."""


def load_tokenizer(folder: Path, model: Model) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model folder, padding on the right, with the recipe's tokens added.

    Llama has no padding token. The rule: the recipe's, the tokenizer's own, the one that Llama 3 reserves,
    the unknown token, the end-of-text token. Any of them is safe where text is written, as padded labels are masked
    by place. A classification head takes the last token that is not padding for a text's end: there a text that ends
    in the padding token is read one token short.

    Raises:
        InvalidInput: the folder holds no tokenizer, or the padding token is not in it.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, padding_side="right")
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(": ")
        mend = "put its tokenizer.json beside the weights, or name another model"
        raise InvalidInput(f"model: {folder} holds no tokenizer that loads: {reason}; {mend}") from error
    if isinstance(model, Pretrained) and model.add_tokens:
        tokenizer.add_tokens(model.add_tokens)
    tokenizer.pad_token = _padding(tokenizer, model)
    return tokenizer


def _padding(tokenizer: "PreTrainedTokenizerBase", model: Model) -> str:
    vocabulary = tokenizer.get_vocab()
    asked = model.pad_token if isinstance(model, Pretrained) else None
    if asked is not None and asked not in vocabulary:
        raise InvalidInput(f"model.pad_token: {asked!r} is not in the vocabulary; name it under model.add_tokens too")
    reserved = PADDING if PADDING in vocabulary else None
    for token in (asked, tokenizer.pad_token, reserved, tokenizer.unk_token, tokenizer.eos_token):
        if token is not None:
            return str(token)
    raise InvalidInput("model: the tokenizer has no padding, unknown or end token; name one as model.pad_token")


def check_vocabulary(tokenizer: "PreTrainedTokenizerBase", embedding_rows: int, model: Model) -> None:
    """Every token id has a row in the embedding, not counting tokens that the recipe adds (the embedding grows).

    Raises:
        InvalidInput: the tokenizer belongs to another model.
    """
    added = set(model.add_tokens) if isinstance(model, Pretrained) else set()
    own = _rows({token: index for token, index in tokenizer.get_vocab().items() if token not in added})
    if own > embedding_rows:
        raise InvalidInput(
            f"model: the tokenizer needs {own} rows but the embedding has {embedding_rows}; "
            "give the model's own tokenizer, or name new tokens under model.add_tokens"
        )


def rows_needed(tokenizer: "PreTrainedTokenizerBase") -> int:
    """Rows of the smallest embedding that holds every token id; ids may have gaps."""
    return _rows(tokenizer.get_vocab())


def _rows(vocabulary: dict[str, int]) -> int:
    return max(vocabulary.values()) + 1
