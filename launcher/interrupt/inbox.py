"""Where every source of an interruption puts its notices, and the driver looks."""

from launcher.interrupt.notice import Notice, gathered


class Inbox:
    """For any thread, and for signal handlers.

    No lock: a handler runs in the middle of whatever the main thread does, and would wait for itself.
    """

    def __init__(self) -> None:
        self._notices: list[Notice] = []

    def put(self, notice: Notice) -> None:
        self._notices.append(notice)

    def current(self) -> Notice | None:
        """What all notices so far come to."""
        return gathered(tuple(self._notices))

    def settle(self) -> None:
        """Forget notices of some nodes, when the run goes on without them; those of the whole allocation stay."""
        self._notices = [each for each in self._notices if each.whole]
