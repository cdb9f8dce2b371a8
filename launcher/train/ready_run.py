"""A run that is ready to start: known to be right, and not yet written anywhere."""

from dataclasses import dataclass

from launcher.cluster.profile import Profile
from launcher.interrupt.inbox import Inbox
from launcher.interrupt.signals import Signals
from launcher.plan.preview import Preview
from launcher.recipe.recipe import Recipe
from launcher.storage.store import Store
from launcher.train.console import RunConsole
from launcher.train.options import Options
from launcher.train.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Run:
    recipe: Recipe
    profile: Profile
    options: Options
    ahead: Preview
    ready: Prepared
    store: Store
    screen: RunConsole
    inbox: Inbox
    signals: Signals

    @property
    def id(self) -> str:
        return self.store.location.rsplit("/", 1)[-1]
