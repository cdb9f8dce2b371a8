"""A rank's feed, from the data sets that its job names."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torch import distributed

from launcher.data.prepared.cache import BlockCache
from launcher.data.prepared.manifest import MANIFEST
from launcher.data.prepared.opened import PreparedSet, open_prepared
from launcher.data.prepared.reader import BlockReader
from launcher.data.stream.mixture import Mixture
from launcher.data.stream.stream import Stream
from launcher.data.stream.supply import Supply
from launcher.errors import LauncherError
from launcher.recipe.task import SequenceClassification
from launcher.storage.store import Store
from launcher.train.desk import Note
from launcher.train.feed import Agree, BlockId, Feed, Share
from launcher.train.job import CacheFolder, TrainingSet
from launcher.train.rank import Rank


@contextmanager
def open_feed(rank: Rank, pad_id: int) -> Iterator[Feed]:
    """The training data from their beginning; all ranks open theirs together.

    Raises:
        LauncherError: a data set cannot be read, or is another one than the driver saw.
    """
    job, recipe = rank.job, rank.job.recipe
    classes = isinstance(recipe.task, SequenceClassification)
    with ExitStack() as stack:
        supplies = []
        for each in job.training_sets:
            opened = _opened(each, job.cache)
            reader = stack.enter_context(_reader(opened, job.cache, _teller(rank)))
            stream = Stream(opened.index, each.packing, each.manifest)
            supplies.append(stack.enter_context(Supply(stream, reader, pad_id, label_per_document=classes)))
        weights = [each.weight for each in job.training_sets]
        mixture = Mixture([supply.stream for supply in supplies], weights, recipe.training.order_seed)
        quarantine = _agreement(rank) if recipe.data.corrupt_blocks == "quarantine" else None
        share = Share(rank.number, rank.world)
        pin = rank.device.type == "cuda"
        yield Feed(mixture, supplies, job.batches, share, quarantine=quarantine, pin=pin)


def _opened(source: TrainingSet, cache: CacheFolder) -> PreparedSet:
    opened = open_prepared(Store.open(source.url), Path(cache.path, "indexes"))
    if opened.manifest.digest != source.manifest:
        raise LauncherError(f"{source.url} was prepared anew while the run started; start again")
    return opened


def _reader(opened: PreparedSet, cache: CacheFolder, tell: Callable[[str], None]) -> BlockReader:
    """Blocks of a local disk are read where they are, others through the node's cache."""
    kept = None
    if opened.store.local_path(MANIFEST) is None:
        kept = BlockCache(Path(cache.path, "blocks"), cache.limit, tell)
    return BlockReader(opened.store, opened.manifest, opened.index, cache=kept)


def _teller(rank: Rank) -> Callable[[str], None]:
    """To the terminal from the rank that leads, to its log from any other."""
    return (lambda text: rank.tell(Note(text))) if rank.leads else print


def _agreement(rank: Rank) -> Agree:
    """Ranks tell one another which blocks are corrupt, over the CPU."""
    group = distributed.new_group(backend="gloo")
    sets = rank.job.training_sets

    def agree(own: set[BlockId]) -> set[BlockId]:
        told: list[set[BlockId]] = [set() for _ in range(rank.world)]
        distributed.all_gather_object(told, own, group=group)
        corrupt = set().union(*told)
        for source, block in sorted(corrupt):
            rank.tell(Note(f"left out  block {block} of {sets[source].url}, which is corrupt, and its documents"))
        return corrupt

    return agree
