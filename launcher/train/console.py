"""What the terminal shows while a run goes on: one live line, or plain lines where there is no terminal."""

import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.status import Status

from launcher.evaluate.metrics import ClassificationMetrics
from launcher.evaluate.table import results_table
from launcher.train.desk import Message, Note, Progress, Stage
from launcher.train.step_record import StepRecord

PLAIN_INTERVAL_S = 5.0
"""Without a terminal, seconds between two progress lines at least."""


class RunConsole:
    """Stages as lines that stay; progress as one line that changes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Status | None = None
        self._printed = float("-inf")

    def __enter__(self) -> "RunConsole":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_live()

    def line(self, text: str) -> None:
        """A line that stays."""
        self._stop_live()
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def table(self, results: Mapping[str, ClassificationMetrics]) -> None:
        """The results, between empty lines."""
        self.line("")
        self._console.print(results_table(results, self._console.width))

    def wait(self, text: str) -> None:
        """What is being waited for, until the next line."""
        if self._console.is_terminal:
            self._update_live(text)
        else:
            self.line(text)

    def show(self, message: Message) -> None:
        """A message from the ranks; failures are told at the end, when the first cause is known."""
        if isinstance(message, Stage):
            self.wait(message.text)
        elif isinstance(message, Note):
            self.line(message.text)
        elif isinstance(message, Progress):
            self._progress(message)

    def _progress(self, message: Progress) -> None:
        text = progress_line(message.record, message.steps)
        if self._console.is_terminal and not message.last:
            self._update_live(text)
        elif message.last or time.monotonic() - self._printed >= PLAIN_INTERVAL_S:
            self._printed = time.monotonic()
            self.line(text)

    def _update_live(self, text: str) -> None:
        if self._live is None:
            self._live = self._console.status(text)
            self._live.start()
        self._live.update(text)

    def _stop_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def progress_line(record: StepRecord, steps: int) -> str:
    """One step in under 80 columns; a run on packs may take a few more steps than were expected."""
    steps = max(steps, record.step)
    minutes, seconds = divmod(round(record.seconds_left), 60)
    mfu = f"  MFU {record.mfu:.0%}" if record.mfu is not None else ""
    return (
        f"step {record.step:>{len(str(steps))}}/{steps}  loss {record.loss:.4f}  "
        f"{record.tokens_per_second:,.0f} tokens/s{mfu}  {minutes}:{seconds:02d} left"
    )
