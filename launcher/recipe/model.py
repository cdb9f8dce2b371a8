"""`model:` the base model to start from."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from launcher.recipe.section import Section


class Pretrained(Section):
    """A model and its tokenizer in Hugging Face layout."""

    kind: Literal["pretrained"]
    name_or_path: str
    """A hub id, a local folder (`./`, `../`, `/` or `~`), or any fsspec URL of a folder."""
    revision: str | None = None
    """Branch, tag or commit of a hub id."""
    pad_token: str | None = None
    """Padding token; by default the tokenizer's own, else the one Llama 3 reserves, the unknown or the end token."""
    add_tokens: list[str] = []
    """Tokens to add to the tokenizer; the embedding grows with them."""


class Scratch(Section):
    """A randomly initialised model and a tokenizer trained on the training texts.

    A Llama reads byte-level BPE; a BERT, which only classifies, reads WordPiece in lower case.
    """

    kind: Literal["scratch"]
    architecture: Literal["llama", "bert"] = "llama"
    vocab_size: PositiveInt = 512
    hidden_size: PositiveInt = 64
    intermediate_size: PositiveInt = 176
    num_hidden_layers: PositiveInt = 2
    num_attention_heads: PositiveInt = 4
    num_key_value_heads: PositiveInt = 2
    """Llama only: a BERT has one for each attention head."""
    max_position_embeddings: PositiveInt = 128
    seed: int = 0

    @model_validator(mode="after")
    def _heads_divide(self) -> "Scratch":
        pairs = [("hidden_size", "num_attention_heads"), ("num_attention_heads", "num_key_value_heads")]
        for whole, part in pairs if self.architecture == "llama" else pairs[:1]:
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(f"{part} {getattr(self, part)} does not divide {whole} {getattr(self, whole)}")
        return self


Model = Annotated[Pretrained | Scratch, Field(discriminator="kind")]
