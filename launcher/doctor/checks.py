"""The table of checks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from launcher.doctor import (
    clock,
    collectives,
    disk,
    environment,
    gpus,
    paths,
    store,
    straggler,
    versions,
)
from launcher.doctor.nodes import Nodes
from launcher.doctor.verdict import Ask, Verdict
from launcher.errors import InvalidInput
from launcher.recipe.schema import nearest
from launcher.storage.client import single_try
from launcher.storage.store import Store


@dataclass(frozen=True, slots=True)
class Check:
    run: Callable[[Nodes, Ask], Iterable[Verdict]]
    away: bool
    """Whether it tells something on a machine that is not one of the profile's."""
    what: str
    """What machines are waited for meanwhile."""


CHECKS = {
    versions.NAME: Check(versions.check, True, "comparing versions"),
    environment.NAME: Check(environment.check, True, "looking for variables"),
    store.NAME: Check(store.check, True, "trying the store"),
    paths.NAME: Check(paths.check, False, "looking for shared paths"),
    clock.NAME: Check(clock.check, True, "comparing clocks"),
    disk.NAME: Check(disk.check, False, "timing disks"),
    gpus.NAME: Check(gpus.check, False, "asking nvidia-smi"),
    straggler.NAME: Check(straggler.check, False, "multiplying matrices"),
    collectives.NAME: Check(collectives.check, False, "sending between ranks"),
}


def chosen(only: str | None) -> list[str]:
    """Names of the checks to run, in the order of the table.

    Raises:
        InvalidInput: there is no check of a name.
    """
    names = list(CHECKS) if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in CHECKS:
            hint = nearest(name, CHECKS) or f"there are {', '.join(CHECKS)}"
            raise InvalidInput(f"--only: {name!r} is no check; {hint}")
    return [name for name in CHECKS if name in names]


def run_checks(
    names: Sequence[str], nodes: Nodes, ask: Ask, tell: Callable[[str], None], *, away: bool = False
) -> Iterator[Verdict]:
    """What each finds, one after the other; what they wrote is removed at the end.

    Args:
        tell: Is told what is being waited for.
        away: This machine is not one of the profile's.
    """
    try:
        for name in names:
            if away and not CHECKS[name].away:
                yield Verdict(name, "not here", "", "looked at on the cluster's machines alone")
                continue
            tell(CHECKS[name].what)
            yield from CHECKS[name].run(nodes, ask)
    finally:
        nodes.each(_tidy, ask)  # where nothing can be removed, the store's check has said so


def _tidy(ask: Ask) -> None:
    single_try(Store.open(ask.storage)).remove(ask.probe)
