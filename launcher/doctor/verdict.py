"""What a check says, and what it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from launcher.plan.placement import Device

State = Literal["ok", "warn", "fail", "not here"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding; `not here` is what cannot be looked at where the doctor is."""

    check: str
    state: State
    host: str
    """Empty where it is about all machines together."""
    found: str
    expected: str = ""
    mend: str = ""
    figure: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """A variable that a worker's environment has to have."""

    name: str
    why: str
    strict: bool = True
    """Whether the run fails without it."""
    handed: bool = False
    """Whether the driver hands it on to machines that lack it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What every machine is told before it looks at itself."""

    storage: str
    cache: str
    probe: str
    """A folder below the storage that this examination has to itself."""
    device: Device
    ranks: int
    """Workers of a machine."""
    cores: int
    """Of a machine, for all its workers."""
    space: int = 0
    """Bytes that the checkpoints of the recipe take, where one is given."""
    needs: tuple[Need, ...] = ()
    paths: tuple[tuple[str, str], ...] = ()
    """Files and folders that workers read, each with its key in the recipe."""
    number: int = 0
    """Of the machine, from 0."""
    machines: int = 1
    address: str = "127.0.0.1"
    """The machine's, as others reach it."""
    head: str = "127.0.0.1"
    """Machine 0's."""
    port: int = 0
    """Free on machine 0."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[T]):
    """What machines found, by their names."""

    told: Mapping[str, T]
    failed: Mapping[str, str]
    """Why a machine could not say."""

    def failures(self, check: str) -> list[Verdict]:
        mend = "see what it says, and the machine's Ray logs"
        return [Verdict(check, "fail", host, why, "an answer", mend) for host, why in self.failed.items()]
