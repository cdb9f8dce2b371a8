"""An HTTP proxy before a store's server that makes requests fail, by seed and rate."""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web

Result = TypeVar("Result")

EARLY = frozenset({"error", "slow-down", "reset", "stall"})
"""Nothing reaches the server: 500; 503; a connection that is reset; one that stays silent, and is reset then."""
DATA = frozenset({"truncate", "short", "flip"})
"""Objects that are read: ended by a reset in the middle; cut, with a length that agrees; with one bit flipped."""
LATE = frozenset({"lost-answer"})
"""Requests that change something do so, and the connection is reset before the answer."""
CHANGING = frozenset({"PUT", "POST", "DELETE"})
ANSWERS = {
    "error": (500, "InternalError", "We encountered an internal error. Please try again."),
    "slow-down": (503, "SlowDown", "Please reduce your request rate."),
}
HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})
"""Headers that each connection has of its own."""


class FaultProxy:
    """Stands before the server at `upstream`, such as `http://127.0.0.1:5000`, while the context is open.

    What a request suffers depends on the seed, on what it asks for and on how often that was asked before, and not on
    the order in which requests arrive.

    Attributes:
        url: Of the proxy.
        rate: Share of requests that suffer a fault; may be changed at any time.
        kinds: Faults to choose from, with equal odds for those that can happen to a request.
        times: So many faults of one request, and then it passes; without, as often as the rate says.
        down: Resets every connection.
        counts: Faults that happened, by kind; `passed` counts the other requests.
    """

    url: str

    def __init__(
        self,
        upstream: str,
        *,
        seed: int = 0,
        rate: float = 0.0,
        kinds: Collection[str] = EARLY | DATA | LATE,
        times: int | None = None,
        stall_s: float = 1.0,
    ) -> None:
        self.rate = rate
        self.kinds = kinds
        self.times = times
        self.down = False
        self.counts: Counter[str] = Counter()
        self._upstream = upstream
        self._seed = seed
        self._stall_s = stall_s
        self._asked: Counter[str] = Counter()
        self._suffered: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = self._run(self._start())
        return self

    def __exit__(self, *exception: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def faults(self) -> int:
        """Requests that failed so far."""
        return self.counts.total() - self.counts["passed"]

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> str:
        self._client = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._client.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        kind, chance = self._choose(request)
        if kind in EARLY or kind == "down":
            return await self._refuse(request, kind)
        status, headers, body = await self._forward(request)
        if kind in DATA and not (status < 300 and body):
            kind = "passed"
        self.counts[kind] += 1
        if kind in LATE:
            return _reset(request)
        if kind == "flip":
            place = chance.randrange(len(body))
            body = body[:place] + bytes([body[place] ^ 1 << chance.randrange(8)]) + body[place + 1 :]
        sent = body[: chance.randrange(len(body))] if kind in {"truncate", "short"} else body
        response = web.StreamResponse(status=status)
        response.headers.extend([(name, value) for name, value in headers if name.lower() not in HOP])
        response.content_length = len(sent if kind == "short" else body)
        if request.method == "HEAD":
            response.content_length = int(dict(headers).get("Content-Length", 0))
        with suppress(ConnectionResetError):  # the client waited no longer
            await response.prepare(request)
            await response.write(sent)
        return _reset(request) if kind == "truncate" else response

    async def _forward(self, request: web.Request) -> tuple[int, list[tuple[str, str]], bytes]:
        async with self._client.request(
            request.method,
            aiohttp.client.URL(f"{self._upstream}{request.raw_path}", encoded=True),
            headers=[(name, value) for name, value in request.headers.items() if name.lower() not in HOP],
            data=await request.read(),
            skip_auto_headers=["Content-Type", "User-Agent", "Accept", "Accept-Encoding"],
            allow_redirects=False,
        ) as answer:
            return answer.status, list(answer.headers.items()), await answer.read()

    async def _refuse(self, request: web.Request, kind: str) -> web.StreamResponse:
        self.counts[kind] += 1
        if kind in ANSWERS:
            status, code, text = ANSWERS[kind]
            body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
            return web.Response(status=status, text=body, content_type="application/xml")
        if kind == "stall":
            await asyncio.sleep(self._stall_s)
        return _reset(request)

    def _choose(self, request: web.Request) -> tuple[str, random.Random]:
        """The fault that a request suffers, or `passed`, and where the rest of its luck comes from."""
        identity = f"{request.method} {request.raw_path} {request.headers.get('Range')}"
        self._asked[identity] += 1
        chance = random.Random(f"{self._seed} {identity} {self._asked[identity]}")
        possible = EARLY
        if request.method in CHANGING:
            possible |= LATE
        if request.method == "GET" and "list-type" not in request.query:
            possible |= DATA
        kinds = sorted(possible.intersection(self.kinds))
        spared = self.times is not None and self._suffered[identity] >= self.times
        if self.down or not kinds or spared or chance.random() >= self.rate:
            return "down" if self.down else "passed", chance
        self._suffered[identity] += 1
        return chance.choice(kinds), chance


def _reset(request: web.Request) -> web.StreamResponse:
    """End the connection with a TCP reset; the response that is returned goes nowhere."""
    if request.transport is not None:
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()
