"""A proxy before a store's server that changes what is asked and answered, as a store that is set up badly would."""

import email.utils
from collections.abc import Collection
from typing import Any

from aiohttp import web

from tests.faults.gate import Answer
from tests.faults.proxy import FaultProxy

DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


class Meddler(FaultProxy):
    """Attributes:
    denied: Methods that are answered with 403.
    create_only: Without it, conditions of writes are not passed on.
    ahead_s: Of the server's clock before the real one.
    """

    def __init__(self, upstream: str, **options: Any) -> None:
        super().__init__(upstream, **options)
        self.denied: Collection[str] = ()
        self.create_only = True
        self.ahead_s = 0.0

    async def _forward(self, request: web.Request) -> Answer:
        if request.method in self.denied:
            await request.read()
            return 403, [("Content-Type", "application/xml")], DENIED
        if not self.create_only and "If-None-Match" in request.headers:
            kept = request.headers.copy()
            del kept["If-None-Match"]
            request = request.clone(headers=kept)
        status, headers, body = await super()._forward(request)
        return status, [(name, self._dated(name, value)) for name, value in headers], body

    def _dated(self, name: str, value: str) -> str:
        if name.lower() != "last-modified":
            return value
        told = email.utils.parsedate_to_datetime(value).timestamp()
        return email.utils.formatdate(told + self.ahead_s, usegmt=True)
