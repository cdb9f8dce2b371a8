"""Sources of notices that have to be asked, each in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from launcher.interrupt.inbox import Inbox
from launcher.interrupt.notice import Notice

Source = Callable[[], Notice | None]
"""Asked again and again; may be slow, and may fail."""


@contextmanager
def watched(
    inbox: Inbox, sources: Mapping[str, Source], tell: Callable[[str], None], period_s: float = 1.0
) -> Iterator[None]:
    """Ask every source for as long as this lasts. One that fails is told of once in a row, and costs only its word.

    Args:
        sources: By what a user calls them.
        period_s: Seconds between two questions.
    """
    ended = threading.Event()

    def ask(name: str, source: Source) -> None:
        failed, last = False, None
        while not ended.wait(period_s):
            try:
                notice = source()
            except Exception as error:  # stores and clusters have errors of their own; the next answer may come
                if not failed:
                    said = " ".join(str(error).split()) or type(error).__name__
                    tell(f"{name}: no answer: {said}; it is asked again every {period_s:g} s")
                failed = True
                continue
            failed = False
            if notice is not None and notice != last:
                inbox.put(notice)
                last = notice

    threads = [
        threading.Thread(target=ask, args=each, name=f"watch {each[0]}", daemon=True) for each in sources.items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()
