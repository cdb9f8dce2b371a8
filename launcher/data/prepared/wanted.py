"""What a task and its tokenizer ask of documents that the launcher did not make."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from launcher.data.encode.example import IGNORED
from launcher.data.prepared.block import BlockData
from launcher.errors import InvalidInput
from launcher.recipe.task import SequenceClassification, Task


@dataclass(frozen=True, slots=True)
class Wanted:
    """Token ids below `vocabulary`, and labels: of every token, or one of `classes` a document."""

    vocabulary: int
    classes: int | None

    @classmethod
    def of(cls, task: Task, vocabulary: int) -> "Wanted":
        return cls(vocabulary, len(task.labels) if isinstance(task, SequenceClassification) else None)

    def check(self, documents: BlockData, place: str) -> None:
        """Raises InvalidInput where documents are not so; names the place."""
        ids, lengths = documents.input_ids, np.diff(documents.starts)
        if not lengths.all():
            raise InvalidInput(f"{place}: row {int((lengths == 0).argmax())} has no token; leave it out")
        if _outside(ids, self.vocabulary):
            raise InvalidInput(
                f"{place}: ids from {ids.min()} to {ids.max()} are not all among the tokenizer's {self.vocabulary}; "
                "give the tokenizer that made them"
            )
        expected = lengths if self.classes is None else np.ones_like(lengths)
        differ = np.diff(documents.label_starts) != expected
        if differ.any():
            row = int(differ.argmax())
            found = int(np.diff(documents.label_starts)[row])
            raise InvalidInput(
                f"{place}: row {row} has {found} labels, and the task asks for {expected[row]}; "
                "give lists in a column labels, with one label a " + ("token" if self.classes is None else "document")
            )
        labels = documents.labels[documents.labels != IGNORED]
        most = self.vocabulary if self.classes is None else self.classes
        if _outside(labels, most):
            raise InvalidInput(
                f"{place}: labels from {labels.min()} to {labels.max()} are not all from 0 to {most - 1}; "
                f"mend them, with {IGNORED} for what is not learnt"
            )


def _outside(numbers: npt.NDArray[np.int32], most: int) -> bool:
    return bool(len(numbers)) and bool(numbers.min() < 0 or numbers.max() >= most)
