"""What a task asks of a row: the fields it reads, the fields it writes, the labels it chooses from."""

from launcher.recipe.task import Chat, Instruction, SequenceClassification, Task, template_fields

MESSAGES = "messages"
"""The one field of a conversation."""


def input_fields(task: Task) -> list[str]:
    """Fields that the model reads, in order, without those it is to write."""
    if isinstance(task, Chat):
        return [MESSAGES]
    return list(dict.fromkeys(template_fields(task.prompt if isinstance(task, Instruction) else task.text)))


def written_fields(task: Task) -> list[str]:
    """Fields that the model is to write and does not read, in order; the label is none of them."""
    if isinstance(task, Instruction) and task.label_words is None:
        return list(dict.fromkeys(template_fields(task.completion)))
    return []


def label_names(task: Task) -> list[str] | None:
    """The task's labels in the order of its scores, or None for free text."""
    if isinstance(task, SequenceClassification):
        return task.labels
    return list(task.label_words) if isinstance(task, Instruction) and task.label_words is not None else None
