"""`launcher doctor`: examine the machines of a profile, and say what to mend."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from launcher.backends.slurm.allocation import in_allocation, run_in_allocation
from launcher.cluster.common import ManyNodes
from launcher.cluster.profile import Profile
from launcher.doctor.asked import asked
from launcher.doctor.checks import chosen, run_checks
from launcher.doctor.elsewhere import how_to_examine
from launcher.doctor.nodes import Here, Nodes
from launcher.doctor.show import as_json, show, worst
from launcher.doctor.verdict import Verdict
from launcher.errors import InvalidInput
from launcher.ledger.hosts import bad_hosts, ban, unban
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store

NOT_READY = 3
"""Exit code: something fails."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The flags of `launcher doctor`."""

    words: tuple[str, ...]
    """Recipe, overrides and profile, as they were given."""
    only: str | None = None
    json: bool = False

    @property
    def flags(self) -> list[str]:
        return [*(["--only", self.only] if self.only is not None else []), *(["--json"] if self.json else [])]


def examine(
    recipe: Recipe | None, profile: Profile, flags: Asked, console: Console, tell: Callable[[str], None]
) -> int:
    """Look, and show what was found; returns the exit code: 3 where something fails.

    Args:
        tell: Is told what is being waited for.

    Raises:
        LauncherError: the input is wrong, or the cluster does not answer.
    """
    names = chosen(flags.only)
    if profile.storage.startswith("memory:") or not profile.storage:
        raise InvalidInput(f"cluster.storage: {profile.storage or 'nothing'} keeps no run; give a path or a bucket")
    if in_allocation(profile):
        return run_in_allocation(profile, recipe, "doctor", flags.flags, console.width)
    away = isinstance(profile, ManyNodes) and "RAY_ADDRESS" not in os.environ
    ask = asked(recipe, profile, away=away)
    verdicts: list[Verdict] = []
    with _machines(profile, tell, away=away) as (nodes, counted):
        verdicts += counted
        if nodes is not None:
            verdicts += run_checks(names, nodes, ask, tell, away=away)
    words = how_to_examine(profile, ("doctor", *flags.words, *flags.flags)) if away else []
    words += _how_to_ban(verdicts, profile)
    if flags.json:
        print(as_json(verdicts, words))
    else:
        show(console, verdicts)
        for line in words:
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    return NOT_READY if worst(verdicts) == "fail" else 0


def tell_ledger(storage: str, banned: Sequence[str], unbanned: Sequence[str]) -> Iterator[str]:
    """Write hosts onto the ledger of bad hosts, or off it; gives what it has then, a line each.

    Raises:
        InvalidInput: that is no name of a host, or it is not on the ledger.
    """
    Store.open(storage).check_writable()
    for host in banned:
        ban(storage, host, "by launcher doctor --ban")
    for host in unbanned:
        unban(storage, host)
    left = bad_hosts(storage)
    yield from (f"{host}  {why}" for host, why in left.items())
    if not left:
        yield "no host is left out"


@contextmanager
def _machines(
    profile: Profile, tell: Callable[[str], None], *, away: bool
) -> Iterator[tuple[Nodes | None, list[Verdict]]]:
    if not isinstance(profile, ManyNodes) or away:
        yield Here(), []
        return
    from launcher.doctor.cluster import machines_of

    with machines_of(profile, tell) as found:
        yield found


def _how_to_ban(verdicts: Sequence[Verdict], profile: Profile) -> list[str]:
    hosts = sorted({each.host for each in verdicts if each.state == "fail" and each.host})
    if not hosts or not isinstance(profile, ManyNodes) or profile.nodes < 2:
        return []
    return [f"to leave a machine out of what is submitted: launcher doctor --cluster ... --ban {hosts[0]}"]
