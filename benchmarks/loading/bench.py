"""What all sections of the benchmark are given."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.loading import documents
from benchmarks.loading.documents import Documents


@dataclass(frozen=True)
class Bench:
    """Sizes, places, and the documents, which are made when they are first asked for."""

    folder: Path
    """Empty at first, and removed after all."""
    peers_python: Path | None
    rounds: int
    large_documents: int
    small_documents: int
    shared: Path
    """Real data sets and models; its real sets are left out where it is not there."""
    blocks: int
    """Of the huge manifest."""

    @cached_property
    def large(self) -> Documents:
        """For what is fast."""
        return documents.make(self.folder / "large", self.large_documents)

    @cached_property
    def small(self) -> Documents:
        """For what goes through an S3 server, or through a peer to the end of an epoch."""
        return documents.make(self.folder / "small", self.small_documents)
