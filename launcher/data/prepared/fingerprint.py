"""What tells a tokenizer from any other: equal fingerprints write equal token ids."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from launcher.data.prepared.manifest import Manifest
from launcher.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PASSING = ("padding", "truncation", "version")
"""Parts of tokenizer.json that the last call left there, or that do not change tokens."""


def fingerprint(tokenizer: "PreTrainedTokenizerBase") -> str:
    """sha256, in hexadecimal, of the rules, added and special tokens, chat template and vocabulary size.

    Taken of the tokenizer as it is in memory, so it does not matter how it was stored. Padding is chosen anew for
    each training and changes no token: which token pads is left out.
    """
    special = {name: token for name, token in tokenizer.special_tokens_map.items() if name != "pad_token"}
    added = {str(number): str(token) for number, token in tokenizer.added_tokens_decoder.items()}
    parts = {
        "rules": _rules(tokenizer),
        "added": added,
        "special": special,
        "chat_template": tokenizer.chat_template,
        "vocabulary": len(tokenizer),
        "splits_special_tokens": tokenizer.split_special_tokens,
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _rules(tokenizer: "PreTrainedTokenizerBase") -> Any:
    """tokenizer.json; of a tokenizer that has none, its class and vocabulary."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return [type(tokenizer).__name__, tokenizer.get_vocab()]
    rules: dict[str, Any] = json.loads(backend.to_str())
    return {name: part for name, part in rules.items() if name not in PASSING}


def check_tokenizer(manifest: Manifest, tokenizer: "PreTrainedTokenizerBase", place: str) -> None:
    """Make sure that a data set at `place` was made with this tokenizer.

    Raises:
        InvalidInput: it was made with another one; names both fingerprints.
    """
    own = fingerprint(tokenizer)
    if manifest.tokenizer != own:
        raise InvalidInput(
            f"{place} was made with the tokenizer {manifest.tokenizer}, and the model's is {own}; "
            "prepare the data with this model, or give the model they were prepared for"
        )
