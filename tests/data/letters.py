"""A tokenizer whose tokens can be counted by eye."""

from dataclasses import dataclass

BOS, EOS = 1, 2


@dataclass(frozen=True)
class Letters:
    """A token a letter, after one BOS."""

    eos_token_id: int | None = EOS

    def encode(
        self, text: str, *, add_special_tokens: bool, truncation: bool = False, max_length: int | None = None
    ) -> list[int]:
        ids = [BOS] * add_special_tokens + [ord(letter) for letter in text]
        return ids[:max_length] if truncation else ids

    def num_special_tokens_to_add(self) -> int:
        return 1

    def get_vocab(self) -> dict[str, int]:
        return {"<s>": BOS, "</s>": EOS} | {chr(letter): letter for letter in range(32, 127)}
