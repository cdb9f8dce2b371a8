"""A Ray job's output as it comes, over connections that break."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from launcher.backends.ray_jobs.connect import ask
from launcher.errors import LauncherError

BREAKS = 20
"""Broken connections in a row, without a line between them."""
PAUSE_S = 0.5


def job_lines(client: Any, address: str, job: str, *, follow: bool) -> Iterator[str]:
    """Lines of the driver's output, so far or to the job's end.

    Raises:
        NoSuchJob: the cluster knows no such job.
        LauncherError: the connection broke too often.
    """
    if not follow:
        yield from ask(address, lambda: client.get_job_logs(job)).splitlines()
        return
    told, broken, rest = 0, 0, ""
    while True:
        before = told
        try:
            for text in _tail(client, job, told):
                told += len(text)
                *lines, rest = (rest + text).split("\n")
                yield from lines
        except (OSError, RuntimeError) as error:
            if told == before:
                broken += 1
            if broken > BREAKS:
                raise LauncherError(f"{address} cut the output of {job} too often: {error}") from error
        if ask(address, lambda: client.get_job_status(job)).is_terminal():
            yield from _last(client, address, job, told, rest)
            return
        time.sleep(PAUSE_S)


def _last(client: Any, address: str, job: str, told: int, rest: str) -> Iterator[str]:
    """What was printed between the last word of the tail and the end."""
    left = rest + ask(address, lambda: client.get_job_logs(job))[told:]
    yield from left.splitlines()


def _tail(client: Any, job: str, skip: int) -> Iterator[str]:
    """Text as it comes, without its first characters: a new connection begins at the beginning."""
    loop = asyncio.new_event_loop()
    chunks = _chunks(client, job)
    try:
        while True:
            try:
                text = loop.run_until_complete(anext(chunks))
            except StopAsyncIteration:
                return
            kept, skip = text[skip:], max(0, skip - len(text))
            if kept:
                yield kept
    finally:
        loop.run_until_complete(chunks.aclose())  # type: ignore[attr-defined]
        loop.close()


async def _chunks(client: Any, job: str) -> AsyncIterator[str]:
    async with aclosing(client.tail_job_logs(job)) as tail:
        async for text in tail:
            yield text
