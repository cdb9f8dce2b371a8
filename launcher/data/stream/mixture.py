"""Several data sets in one stream, by weight."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from launcher.data.stream.consumed import Tally
from launcher.data.stream.cursor import MixtureCursor
from launcher.data.stream.mixing import mix64
from launcher.data.stream.permutation import round_keys
from launcher.data.stream.stream import EpochEnd, Part, Stream

MIXTURE_VERSION = 1
"""Counts up with any change to which source a pack comes from."""


@dataclass(frozen=True, slots=True, eq=False)
class MixtureStep:
    """What a step takes, where the next one begins, and the epochs of sources that this one ends."""

    parts: tuple[Part, ...]
    cursor: MixtureCursor
    ended: tuple[EpochEnd, ...]


class Mixture:
    """Streams whose packs are mixed; one stream alone is a mixture, too.

    Pack `n` of a source is due at a keyed random time in [n, n + 1) / weight, and packs come as they are due. So every
    stretch of the mixture holds the sources by their weights within a pack or two, in no regular pattern; and how many
    packs each has given says all about what comes next.
    """

    def __init__(self, streams: Sequence[Stream], weights: Sequence[float], seed: int) -> None:
        """Weights above 0, of any sum."""
        self.streams = tuple(streams)
        self.weights = tuple(weight / sum(weights) for weight in weights)
        self._keys = [round_keys(seed, 0, f"source {number}")[0] for number in range(len(streams))]
        mixing = json.dumps({"weights": self.weights, "seed": seed, "version": MIXTURE_VERSION}, sort_keys=True)
        digest = hashlib.sha256(mixing.encode()).hexdigest()
        self.start = MixtureCursor(digest, tuple(stream.start for stream in streams))

    def take(self, cursor: MixtureCursor, packs: int, epochs: float | None = None) -> MixtureStep:
        """The next packs of the mixture, without those that the cursor passes by. A source that ends begins again.

        Args:
            epochs: One source alone ends with this many epochs; several never do, see `progress`.
        """
        assert epochs is None or len(self.streams) == 1
        parts: tuple[Part, ...] = ()
        ended: tuple[EpochEnd, ...] = ()
        for stretch in cursor.passed_by:
            before = max(0, stretch.first - cursor.packs)
            if cursor.packs >= stretch.end or before >= packs:
                continue
            found = self._take(cursor, before, epochs)
            rest = self._take(found.cursor, stretch.end - found.cursor.packs, epochs)
            untrained = without_training(found.cursor, rest)
            parts, ended = parts + found.parts, ended + found.ended + untrained.ended
            cursor, packs = untrained.cursor, packs - before
        found = self._take(cursor, packs, epochs)
        return MixtureStep(parts + found.parts, found.cursor, ended + found.ended)

    def _take(self, cursor: MixtureCursor, packs: int, epochs: float | None) -> MixtureStep:
        counts = self._counts([source.packs for source in cursor.sources], packs)
        steps = [
            stream.take(source, count, epochs)
            for stream, source, count in zip(self.streams, cursor.sources, counts, strict=True)
        ]
        return MixtureStep(
            parts=tuple(replace(part, source=number) for number, step in enumerate(steps) for part in step.parts),
            cursor=replace(cursor, sources=tuple(step.cursor for step in steps)),
            ended=tuple(replace(end, source=number) for number, step in enumerate(steps) for end in step.ended),
        )

    def progress(self, cursor: MixtureCursor, epochs: float) -> float:
        """How far the source that is furthest back has got with its epochs; from 0 on."""
        return min(stream.progress(source, epochs) for stream, source in zip(self.streams, cursor.sources, strict=True))

    def _counts(self, taken: Sequence[int], packs: int) -> list[int]:
        """How many of the next packs come from each source, which has given `taken` so far.

        At any time t a source has given its weight times t within one pack, and all together t within a pack a source:
        that bounds how many it can give next.
        """
        times = []
        for weight, key, first in zip(self.weights, self._keys, taken, strict=True):
            most = int(weight * (packs + 2 * len(taken))) + 3
            numbers = np.arange(first, first + most, dtype=np.uint64)
            jitter = (mix64(numbers ^ key) >> np.uint64(11)) * 2.0**-53
            times.append((numbers + jitter) / weight)
        source_of = np.repeat(np.arange(len(times)), [len(each) for each in times])
        due = np.argsort(np.concatenate(times), kind="stable")[:packs]
        counts: list[int] = np.bincount(source_of[due], minlength=len(times)).tolist()
        return counts


def without_training(before: MixtureCursor, taken: MixtureStep) -> MixtureStep:
    """A step that is not run: what it would have consumed is left out, of each epoch that it touches."""
    ended: list[EpochEnd] = []
    sources = []
    for number, (start, end) in enumerate(zip(before.sources, taken.cursor.sources, strict=True)):
        consumed = start.consumed
        for epoch in (each for each in taken.ended if each.source == number):
            ended.append(replace(epoch, consumed=consumed, left_out=epoch.left_out + (epoch.consumed - consumed)))
            consumed = Tally()
        sources.append(replace(end, consumed=consumed, left_out=end.left_out + (end.consumed - consumed)))
    return MixtureStep((), replace(taken.cursor, sources=tuple(sources)), tuple(ended))
