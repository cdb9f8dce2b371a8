"""A text and its class."""

from launcher.data.encode.example import Example, Question
from launcher.data.encode.tokenizer import Tokenizer
from launcher.data.rows import Row
from launcher.errors import InvalidInput
from launcher.recipe.task import SequenceClassification


def classification_example(row: Row, task: SequenceClassification, tokenizer: Tokenizer, max_length: int) -> Example:
    """A training row, cut at its end."""
    ids, truncated = _ids(row, task, tokenizer, max_length)
    return Example(ids, [task.labels.index(row.label or "")], truncated)


def classification_question(row: Row, task: SequenceClassification, tokenizer: Tokenizer, max_length: int) -> Question:
    """A test row, which a head answers."""
    return Question(_ids(row, task, tokenizer, max_length)[0], [])


def _ids(row: Row, task: SequenceClassification, tokenizer: Tokenizer, max_length: int) -> tuple[list[int], bool]:
    """A text's token ids, and whether it was cut; the tokenizer cuts, so that BERT's final [SEP] stays."""
    text = task.text.format(**row.fields)
    ids = tokenizer.encode(text, add_special_tokens=True)
    if len(ids) <= max_length:
        return ids, False
    special = tokenizer.num_special_tokens_to_add()
    if special >= max_length:
        raise InvalidInput(f"training.max_length: {max_length} tokens hold no word; give {special + 1} at least")
    return tokenizer.encode(text, add_special_tokens=True, truncation=True, max_length=max_length), True
