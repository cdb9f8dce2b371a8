"""A proxy before a store's server that holds chosen requests, so that something can happen just then."""

import asyncio
import re
import select
import threading
from typing import Any, Literal

from aiohttp import web

from tests.faults.proxy import FaultProxy

Side = Literal["before", "after"]
"""Of the server: the request has not reached it, or its answer has not reached the client."""
Answer = tuple[int, list[tuple[str, str]], bytes]


class Held:
    """The n-th request that matches, once it is there: it waits until it is let go.

    Attributes:
        reached: Set when it is there.
    """

    def __init__(self, pattern: str, side: Side, number: int) -> None:
        self.side = side
        self.reached = threading.Event()
        self.free = asyncio.Event()
        self._pattern = re.compile(pattern)
        self._left = number

    def takes(self, asked: str) -> bool:
        """Whether this is the request; it counts those that match."""
        if self._left and self._pattern.search(asked):
            self._left -= 1
            return not self._left
        return False


class Gate(FaultProxy):
    """A fault proxy that can hold requests too.

    Attributes:
        asked: Every request that came through so far, as `METHOD path?query`.
    """

    def __init__(self, upstream: str, **options: Any) -> None:
        super().__init__(upstream, **options)
        self.asked: list[str] = []
        self._held: Held | None = None

    def __exit__(self, *exception: object) -> None:
        self.let_go()
        super().__exit__(*exception)

    def hold(self, pattern: str, side: Side, number: int = 1) -> Held:
        """Hold the n-th request from now on whose `METHOD path?query` matches; one at a time."""
        self.let_go()
        self._held = Held(pattern, side, number)
        return self._held

    def let_go(self) -> None:
        """Hold nothing any more: what was held goes on, if its client is still there."""
        if self._held is not None:
            self._loop.call_soon_threadsafe(self._held.free.set)
        self._held = None

    async def _forward(self, request: web.Request) -> Answer:
        asked, held = f"{request.method} {request.raw_path}", self._held
        self.asked.append(asked)
        if held is None or not held.takes(asked):
            return await super()._forward(request)
        if held.side == "before":
            await request.read()
            await self._wait(held)
            if _gone(request):  # killed: what it was about to send never arrives
                raise ConnectionResetError
            return await super()._forward(request)
        answer = await super()._forward(request)
        await self._wait(held)
        return answer

    async def _wait(self, held: Held) -> None:
        held.reached.set()
        await held.free.wait()


def _gone(request: web.Request) -> bool:
    """Whether the client has hung up, also where the event loop does not know it yet."""
    if request.transport is None:
        return True
    poll = select.poll()
    poll.register(request.transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
