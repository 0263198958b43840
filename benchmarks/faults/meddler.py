"""A proxy between a client and the real API server that spoils what passes: a server, or a network, in trouble."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp import web

from cluster.access import Access
from cluster.watching import batches, lines
from lab.commandlines import LOOPBACK

Passing = Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]
"""What becomes of the bytes of one watch; it may end early, which breaks the connection off."""

GONE: Final = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","code":410,"reason":"Expired",'
    b'"message":"too old resource version"}}\n'
)
HOLD_SECONDS: Final = 0.2
"""How long an event is held back for the next one to overtake it."""


async def untouched(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk


@dataclass(slots=True)
class Meddler:
    """Passes everything on to the API server, as its client, while nothing is set."""

    access: Access
    refusal: int | None = None
    """Every request is answered with this status."""

    expired: bool = False
    """A watch that continues from a version is told that it is too old, as after a compaction."""

    passing: Passing = untouched
    requests: int = 0
    _open: dict[int, web.Request] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Access]:
        """How to reach it; no certificates, no credentials: those of `access` are used behind it."""
        app = web.Application()
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            app.router.add_get("/{path:.*}", partial(self._answer, session))
            await runner.setup()
            site = web.TCPSite(runner, LOOPBACK, 0)
            await site.start()
            port = runner.addresses[0][1]
            try:
                yield Access(f"http://{LOOPBACK}:{port}", ssl.create_default_context(), _nobody)
            finally:
                self.break_all()
                await runner.cleanup()

    def break_all(self) -> None:
        """Break every connection that is in use, as a restart of the server or of the network between would."""
        for request in tuple(self._open.values()):
            if request.transport is not None:
                request.transport.abort()

    async def _answer(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.refusal is not None:
            return web.json_response(_status(self.refusal), status=self.refusal)
        if self.expired and request.query.get("resourceVersion"):
            return web.Response(body=GONE, content_type="application/json")
        self._open[id(request)] = request
        try:
            return await self._pass_on(session, request)
        except aiohttp.ClientError:
            return web.json_response(_status(503), status=503)
        finally:
            del self._open[id(request)]

    async def _pass_on(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        headers = {"Accept": "application/json"}
        if authorization := await self.access.authorization():
            headers["Authorization"] = authorization
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with session.get(
            self.access.server + request.path_qs, headers=headers, ssl=self.access.ssl_context, timeout=timeout
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
            await response.prepare(request)
            is_watch = request.query.get("watch") == "true" and answer.status == 200
            passing = self.passing if is_watch else untouched
            async for chunk in passing(answer.content.iter_any()):
                await response.write(chunk)
            if is_watch and request.transport is not None and not answer.content.at_eof():
                request.transport.abort()
            return response


def cutting(offsets: Callable[[], int]) -> Passing:
    """Each watch ends after so many bytes."""

    async def passing(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        left = offsets()
        async for chunk in chunks:
            if len(chunk) >= left:
                yield chunk[:left]
                return
            left -= len(chunk)
            yield chunk

    return passing


async def doubling(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Every event comes twice; every third comes once more after the one that follows it."""
    late, numbers = b"", itertools.count(1)
    async for text in _lines(chunks):
        yield text + b"\n" + text + b"\n" + late
        late = text + b"\n" if next(numbers) % 3 == 0 and b'"BOOKMARK"' not in text else b""


async def swapping(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Every second event is overtaken by the one after it; one that none follows soon is not held for ever."""
    held: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def read() -> None:
        try:
            async for text in _lines(chunks):
                held.put_nowait(text + b"\n")
        finally:
            held.put_nowait(None)

    reading = asyncio.create_task(read())
    try:
        while (first := await held.get()) is not None:
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    second = await held.get()
            except TimeoutError:
                yield first
                continue
            yield (second or b"") + first
            if second is None:
                return
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for batch in batches(chunks):
        for text in lines(batch):
            yield text


def _status(code: int) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "in trouble"}


async def _nobody() -> str | None:
    return None
