"""How far something is, for people: a bar, or now and then a plain line where there is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.console import Console

from launcher.train.console import PLAIN_INTERVAL_S

Show = Callable[[int, int, str], None]
"""Takes how much is done, how much there is, and what to say of it."""


@contextmanager
def progress_bar(console: Console) -> Iterator[Show]:
    """Shown for as long as this lasts."""
    if not console.is_terminal:
        yield _plain(console)
        return
    columns = (
        rich_progress.BarColumn(),
        rich_progress.TaskProgressColumn(),
        rich_progress.TextColumn("{task.description}"),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=console, transient=True) as live:
        task = live.add_task("", total=None)
        yield lambda done, total, text: live.update(task, completed=done, total=total, description=text)


def _plain(console: Console) -> Show:
    printed = float("-inf")

    def show(done: int, total: int, text: str) -> None:
        nonlocal printed
        if time.monotonic() - printed >= PLAIN_INTERVAL_S:
            printed = time.monotonic()
            console.print(f"{done / max(total, 1):.0%}  {text}", highlight=False)

    return show
