"""What the agents of a job tell one another: small files in a folder that all of its nodes, and no other user, see.

Each start of a job has a folder of its own: on a node that Slurm has lost, an agent of the start before may live on.
"""

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.storage import local

HEAD, DONE, TOKEN = "head", "done", "token"
NOTICES, FAILED, EXCLUDE = "notices", "failed", "exclude"
STOP, CANCEL = "stop", "cancel"


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The batch script makes the folder and removes it when the job ends."""

    path: Path

    @classmethod
    def of(cls, folder: str, job: str, start: str) -> "JobFolder":
        """Of one start of a job.

        Args:
            folder: The profile's.
            start: From 0, as Slurm counts them.
        """
        return cls(Path(folder, f"{job}-{start}"))

    @classmethod
    def all_of(cls, folder: str, job: str) -> "Iterator[JobFolder]":
        """Of every start of a job that has one still."""
        yield from (cls(path) for path in Path(folder).glob(f"{job}-*"))

    @property
    def token(self) -> Path:
        """The secret without which nobody talks to the job's Ray cluster."""
        return self.path / TOKEN

    def make_token(self) -> None:
        descriptor = os.open(self.token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))

    def publish(self, name: str, text: str) -> None:
        """Tell all nodes; once, as what was told stays. Nothing where the folder has gone, and the job with it."""
        if self.path.is_dir():
            local.create(self.path / name, text.encode())

    def told(self, name: str) -> str | None:
        """What a node published; None so far."""
        try:
            return (self.path / name).read_text()
        except FileNotFoundError:
            return None

    def fail(self, host: str, why: str) -> None:
        """Tell all nodes that this one cannot take part."""
        self.publish(f"{FAILED}-{host}", why)

    def failures(self) -> list[str]:
        """What nodes that cannot take part say, by their names."""
        found = sorted(self.path.glob(f"{FAILED}-*"))
        return [f"{file.name.removeprefix(f'{FAILED}-')}: {file.read_text()}" for file in found]

    def notice(self, word: str) -> None:
        """Tell the driver, through the first node's agent; nothing where no job is there to hear."""
        if self.path.is_dir():
            with (self.path / NOTICES).open("a") as file:
                file.write(f"{word}\n")

    def exclude(self, nodes: Sequence[str]) -> None:
        """Tell the batch script what the job's next start does without."""
        self.publish(EXCLUDE, ",".join(nodes))

    def notices(self) -> list[str]:
        """Interruptions that the batch script was told of, in their order."""
        return (self.told(NOTICES) or "").split()
