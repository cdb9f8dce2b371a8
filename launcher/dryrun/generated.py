"""Rows of the shape that a task reads, out of a few words: for where the real ones are not at hand."""

import json
from collections.abc import Iterator
from itertools import count, cycle
from random import Random

from launcher.data.fields import MESSAGES, input_fields, label_names, written_fields
from launcher.data.rows import Row
from launcher.recipe.task import Chat, Task

WORDS = (
    *("river", "market", "morning", "doctor", "letter", "engine", "garden", "winter", "music", "signal"),
    *("quiet", "early", "certain", "heavy", "bright", "common", "narrow", "recent"),
    *("moves", "holds", "asks", "brings", "keeps", "follows", "opens", "answers"),
)
SENTENCE = 12
"""Words."""


def generated_rows(task: Task, name: str) -> Iterator[Row]:
    """Rows without an end, each label in turn; no two have the same text, nor have those of two names.

    Args:
        name: Of the source that they stand for.
    """
    rng = Random(name)
    numbers, labels = count(1), cycle(label_names(task) or [None])
    names = dict.fromkeys([*input_fields(task), *written_fields(task)])

    def sentence() -> str:
        return " ".join(rng.choices(WORDS, k=SENTENCE))

    for number, label in zip(numbers, labels, strict=False):
        if isinstance(task, Chat):
            turns = [("user", f"{name} {number}: {sentence()}"), ("assistant", sentence())]
            fields = {MESSAGES: json.dumps([{"role": role, "content": said} for role, said in turns])}
        else:
            fields = {each: f"{name} {number}: {sentence()}" for each in names}
        yield Row(fields, label)
