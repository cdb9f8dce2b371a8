"""One rank's micro-batches of a step, and what they count."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.data.batch import Batch, collate, weightless
from launcher.data.encode import Example
from launcher.data.order import Lengths, micro_batches, step_rows
from launcher.data.table import token_counts
from launcher.plan.batch import BatchPlan


@dataclass(frozen=True, slots=True)
class StepFeed:
    """The micro-batches of one rank in one step, each with the row that keys its random numbers."""

    batches: list[tuple[int, Batch]]
    label_tokens: int
    tokens: int


class Feed:
    """Training examples in the order of the seed, or grouped by length too, cut for one rank."""

    def __init__(
        self,
        examples: Sequence[Example],
        plan: BatchPlan,
        *,
        seed: int,
        rank: int,
        world: int,
        pad_id: int,
        group_by_length: bool = False,
    ) -> None:
        self._examples = examples
        self._plan = plan
        self._seed = seed
        self._rank = rank
        self._world = world
        self._pad_id = pad_id
        self._lengths = Lengths(token_counts(examples)) if group_by_length else None

    def step(self, step: int) -> StepFeed:
        """This rank's part of optimiser step `step`; past the last step it is empty."""
        plan = self._plan
        rows = step_rows(step, plan.global_batch, plan.rows, self._seed, plan.rows_consumed, lengths=self._lengths)
        batches: list[tuple[int, Batch]] = []
        label_tokens = tokens = 0
        for micro in micro_batches(rows, self._rank, self._world, plan.micro_batch):
            examples = [self._examples[row] for row in micro]
            label_tokens += sum(example.label_tokens for example in examples)
            tokens += sum(len(example.input_ids) for example in examples)
            batch = collate(examples, self._pad_id) if examples else weightless(self._examples[0], self._pad_id)
            batches.append((micro[0] if micro else -1, batch))
        return StepFeed(batches, label_tokens, tokens)
