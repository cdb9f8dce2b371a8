"""One rank's micro-batches of each step, from data sets in a store."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from launcher.data.batch import Batch, collate_rows, weightless_row
from launcher.data.packed_batch import PackedBatch, collate_packs, weightless_pack
from launcher.data.prepared.reader import CorruptBlock
from launcher.data.stream.balance import MicroBatch, micro_batches
from launcher.data.stream.cursor import MixtureCursor, Stretch
from launcher.data.stream.gather import WindowTokens, gather
from launcher.data.stream.mixture import Mixture, MixtureStep
from launcher.data.stream.stream import EpochEnd
from launcher.data.stream.supply import Supply
from launcher.data.stream.window import Window
from launcher.plan.batch import BatchPlan

BlockId = tuple[int, int]
"""A data set of the mixture, and a block of it."""
PLACES_KEPT = 1_000
"""Steps of which it is known where they ended in the data."""
Agree = Callable[[set[BlockId]], set[BlockId]]
"""What any rank says, to all ranks; called on all of them together."""


@dataclass(frozen=True, slots=True)
class StepFeed:
    """What one rank does in one step, and where the data stand after it."""

    batches: list[tuple[int, Batch | PackedBatch]]
    """Micro-batches, each with the place of its first pack in the step, which keys its random numbers."""
    label_tokens: int
    tokens: int
    position: float
    """Where in the schedule the step is, in steps."""
    progress: float
    """Share of the run that is done with this step."""
    cursor: MixtureCursor
    """Where the next step begins."""
    ended: tuple[EpochEnd, ...]
    """Epochs that end with this step."""
    all_ended: tuple[EpochEnd, ...]
    """Epochs that have ended by then, since the run began."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of each step is a rank's."""

    rank: int
    world: int


class Feed:
    """Steps of a mixture, from a cursor on. Ranks that hold the same cursor get parts of the same steps.

    Attributes:
        cursor: Where the next step begins.
        step: Steps before it.
    """

    def __init__(
        self,
        mixture: Mixture,
        supplies: Sequence[Supply],
        plan: BatchPlan,
        share: Share,
        *,
        quarantine: Agree | None = None,
        pin: bool = False,
    ) -> None:
        """A feed that stands at the beginning.

        Args:
            supplies: One for each data set of the mixture.
            quarantine: Makes ranks agree on corrupt blocks, which are left out; by default one ends the run.
            pin: Whether batches are to lie in page-locked memory.
        """
        self.cursor, self.step = mixture.start, 0
        self._mixture = mixture
        self._supplies = supplies
        self._plan = plan
        self._share = share
        self._quarantine = quarantine
        self._pin = pin
        self._packed = mixture.streams[0].packing.mode == "packed"
        self._ended: tuple[EpochEnd, ...] = ()
        self._loaded: dict[Window, WindowTokens] = {}
        self._places = deque([(self.step, self.cursor.packs)], PLACES_KEPT)

    def resume(self, cursor: MixtureCursor, step: int, ended: tuple[EpochEnd, ...] = ()) -> None:
        """Stand at a cursor, after `step` steps and some whole epochs."""
        self.cursor, self.step, self._ended = cursor, step, ended
        self._places = deque([(step, cursor.packs)], PLACES_KEPT)

    def pass_by(self, stretches: Iterable[Stretch]) -> None:
        """Leave packs out when it comes to them; they are told as such, and no other pack moves."""
        self.cursor = self.cursor.pass_by(stretches)

    def place_after(self, step: int) -> int:
        """Packs of the mixture behind a step that was taken, or the nearest guess before those that are known."""
        first, packs = self._places[0]
        if step <= first:
            return max(0, packs - (first - step) * self._plan.global_batch)
        return dict(self._places)[step]

    @property
    def progress(self) -> float:
        """Share of the run that is behind."""
        plan = self._plan
        if plan.max_epochs is None:
            assert plan.max_steps is not None
            return min(1.0, self.step / plan.max_steps)
        return self._mixture.progress(self.cursor, plan.max_epochs)

    def next(self) -> StepFeed | None:
        """This rank's part of the next step; None after the last.

        Raises:
            CorruptBlock: a block is not what was prepared, and is not to be left out.
            LauncherError: a store failed.
        """
        if self._plan.max_steps is not None and self.step >= self._plan.max_steps:
            return None
        before, taken = self.cursor, self._take()
        if not taken.parts:
            return None
        self.step, self.cursor = self.step + 1, taken.cursor
        self._places.append((self.step, self.cursor.packs))
        self._ended += taken.ended
        share = self._share
        shares = micro_batches(taken.parts, share.rank, share.world, self._plan.micro_batch)
        batches = [(each.first, self._collate(each)) for each in shares]
        return StepFeed(
            batches=batches,
            label_tokens=sum(batch.label_tokens for _, batch in batches),
            tokens=sum(batch.tokens for _, batch in batches),
            position=self._position(before, self.step - 1),
            progress=self.progress,
            cursor=taken.cursor,
            ended=taken.ended,
            all_ended=self._ended,
        )

    def _take(self) -> MixtureStep:
        """The next step with its windows loaded; corrupt blocks are left out of it, or end the run."""
        while True:
            taken = self._mixture.take(self.cursor, self._plan.global_batch, self._plan.max_epochs)
            windows = {part.window: part.source for part in taken.parts}
            missing = {window: source for window, source in windows.items() if window not in self._loaded}
            if not missing:
                return taken
            corrupt = [error for window, source in missing.items() for error in self._load(window, source)]
            if self._quarantine is None:
                if corrupt:
                    raise corrupt[0][1]
            elif bad := self._quarantine({block for block, _ in corrupt}):
                self._leave_out(bad)
                continue
            self._forget(windows)
            return taken

    def _load(self, window: Window, source: int) -> list[tuple[BlockId, CorruptBlock]]:
        loaded = self._supplies[source].load(self.cursor.sources[source], window)
        if loaded.tokens is not None:
            self._loaded[window] = loaded.tokens
        return [((source, error.block), error) for error in loaded.corrupt]

    def _leave_out(self, blocks: Iterable[BlockId]) -> None:
        for source, block in sorted(blocks):
            self.cursor = self.cursor.at(source, self.cursor.sources[source].quarantine([block]))

    def _forget(self, used: dict[Window, int]) -> None:
        self._loaded = {window: tokens for window, tokens in self._loaded.items() if window in used}
        for source, supply in enumerate(self._supplies):
            supply.forget(window for window, of in used.items() if of == source)

    def _collate(self, micro: MicroBatch) -> Batch | PackedBatch:
        made = self._made(micro)
        return made.pinned() if self._pin else made

    def _made(self, micro: MicroBatch) -> Batch | PackedBatch:
        if not micro.parts:
            pad_id, classes = self._supplies[0].pad_id, self._supplies[0].label_per_document
            return weightless_pack(pad_id) if self._packed else weightless_row(pad_id, label_per_document=classes)
        gathered = gather([(self._loaded[part.window], part.packs) for part in micro.parts])
        return collate_packs(gathered) if self._packed else collate_rows(gathered)

    def _position(self, cursor: MixtureCursor, step: int) -> float:
        """Steps before a step; where epochs are asked for, by documents, as packs hold more or fewer of them."""
        plan = self._plan
        if plan.max_epochs is None:
            return step
        assert plan.expected_steps is not None
        return self._mixture.progress(cursor, plan.max_epochs) * plan.expected_steps
