"""Bytes of a prepared data set from any store, asked for again as long as what comes is wrong."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import xxhash

from launcher.errors import LauncherError
from launcher.storage.client import single_try
from launcher.storage.retry import Damaged, Retry, one_line
from launcher.storage.store import Store

SAME_ANSWERS = 3
"""The same wrong bytes so often are what the store holds; damage on the way differs each time."""


class CannotRead(LauncherError, OSError):
    """A store refuses something, in a way that will not pass."""


class Closed(LauncherError):
    """Whoever asked no longer waits for the answer."""


def fetch(
    retry: Retry,
    place: str,
    ask: Callable[[float], bytes],
    wrong: Callable[[bytes], str | None],
    refused: Callable[[str], Exception],
) -> bytes:
    """What `ask` returns, once nothing is wrong with it.

    Args:
        place: What is asked for, as a user would write it.
        ask: One try; it is handed the seconds that it may take.
        wrong: What is wrong with an answer.
        refused: Makes the error of what is wrong in the store itself.

    Raises:
        StoreFailed: no right answer came until the deadline.
        Exception: what `refused` made, or `ask` raised and is not worth another try.
    """
    answers: Counter[tuple[int, int]] = Counter()

    def attempt(timeout: float) -> bytes:
        data = ask(timeout)
        reason = wrong(data)
        if reason is None:
            return data
        answer = len(data), xxhash.xxh3_64_intdigest(data)
        answers[answer] += 1
        if answers[answer] == SAME_ANSWERS:
            raise refused(reason)
        raise Damaged(reason)

    return retry.call(place, attempt)


def once(store: Store) -> Store:
    """The store through a client that tries once; the same one, where it does so already."""
    return store if getattr(store.fs, "retries", None) == 1 else single_try(store)


def read_object(store: Store, name: str, retry: Retry | None = None) -> bytes:
    """An object that nothing tells the size or checksum of.

    Raises:
        StoreFailed: the store failed until the deadline.
        CannotRead: the store refuses, or there is no such object.
    """
    single, place = once(store), f"{store.location}/{name}"
    with refusals(place, "see that it is there and may be read"):
        return (retry or Retry()).call(place, lambda timeout: single.read(name))


@contextmanager
def refusals(place: str, mend: str) -> Iterator[None]:
    """What a store's client raises is told in one line.

    Raises:
        CannotRead: it will not pass.
    """
    try:
        yield
    except LauncherError:
        raise
    except Exception as error:  # every store's client has errors of its own
        raise CannotRead(f"{place} cannot be read: {one_line(error)}; {mend}") from error


@contextmanager
def fetchers(threads: int, retry: Retry) -> Iterator[tuple[ThreadPoolExecutor, Retry]]:
    """Threads, and retries that end with the context; nobody waits for requests under way."""
    closed = threading.Event()

    def pause(seconds: float) -> None:
        if closed.wait(seconds):
            raise Closed("nobody waits for what is fetched")

    pool = ThreadPoolExecutor(threads, "fetch")
    try:
        yield pool, replace(retry, sleep=pause)
    finally:
        closed.set()
        pool.shutdown(wait=False, cancel_futures=True)
