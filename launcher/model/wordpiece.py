"""A WordPiece tokenizer such as BERT's, trained on the spot."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as WordPieceDecoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer
from transformers import PreTrainedTokenizerFast

from launcher.errors import InvalidInput

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def make_wordpiece(texts: Iterable[str], vocab_size: int, max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer of lower-case word pieces, that writes a text as `[CLS] text [SEP]`.

    Letters that are rare beside the size of the vocabulary are unknown, and so are the words that have them.

    Args:
        texts: what to learn pieces from.
        vocab_size: tokens at the most, special tokens among them.
        max_length: tokens a text at the most.

    Raises:
        InvalidInput: `vocab_size` holds no letters beside the special tokens.
    """
    normalizer = BertNormalizer(lowercase=True)
    clean = [normalizer.normalize_str(text) for text in texts]
    letters = _letters(clean, (vocab_size - len(SPECIAL_TOKENS)) // 4)
    if not letters:
        raise InvalidInput(f"model.vocab_size: {vocab_size} is too small for a WordPiece vocabulary; give 100 or more")
    tokenizer = Tokenizer(WordPiece(_pieces(clean, vocab_size, letters), unk_token=UNK))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = WordPieceDecoder()
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(token, SPECIAL_TOKENS.index(token)) for token in (CLS, SEP)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        unk_token=UNK,
        pad_token=PAD,
        cls_token=CLS,
        sep_token=SEP,
        mask_token=MASK,
        model_max_length=max_length,
        clean_up_tokenization_spaces=False,
    )


def _letters(texts: Iterable[str], count: int) -> list[str]:
    """The most frequent letters."""
    counted = Counter(letter for text in texts for letter in text if not letter.isspace())
    return sorted(sorted(counted, key=lambda letter: (-counted[letter], letter))[: max(0, count)])


def _pieces(texts: Iterable[str], vocab_size: int, letters: list[str]) -> dict[str, int]:
    """The same pieces under the same numbers each time.

    The trainer numbers a word's inner letters as it meets them, in no fixed order, and chooses between equally
    frequent pairs by number. So it is given them as special tokens, which it numbers first, and as they come.
    """
    tokenizer = Tokenizer(WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts,
        WordPieceTrainer(
            vocab_size=vocab_size,
            special_tokens=[*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters)],
            initial_alphabet=letters,
            limit_alphabet=len(letters),
            show_progress=False,
        ),
    )
    return tokenizer.get_vocab(with_added_tokens=False)
