"""An extender that does what no extender should: hangs, is slow, or answers something else than was asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from lab.commandlines import LOOPBACK

SLOW_SECONDS: Final = 4.0

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def hang(_: web.Request) -> web.StreamResponse:
    """Accepted, and never answered."""
    await asyncio.Event().wait()
    return web.Response()


async def slow(request: web.Request) -> web.StreamResponse:
    """A right answer, after seconds."""
    await asyncio.sleep(SLOW_SECONDS)
    return await neutral(request)


async def garbage(_: web.Request) -> web.StreamResponse:
    """A 200 with what is not JSON."""
    return web.Response(body=b'\x00\xff{"NodeNames": [', content_type="application/json")


async def neutral(request: web.Request) -> web.StreamResponse:
    """Every node, and the same score for all of them."""
    names = (await request.json()).get("NodeNames") or []
    if request.path == "/filter":
        return web.json_response({"NodeNames": names})
    return web.json_response([{"Host": name, "Score": 5} for name in names])


BEHAVIOURS: Final[Mapping[str, Behaviour]] = {"hung": hang, "slow": slow, "garbage": garbage}


@dataclass(slots=True)
class Stub:
    behaviour: Behaviour = neutral
    url: str = ""
    asked: int = field(default=0)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Stub]:
        app = web.Application(client_max_size=2**23)
        app.router.add_post("/{verb}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, LOOPBACK, 0).start()
            self.url = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        return await self.behaviour(request)
