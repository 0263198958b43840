"""A listener: one aiohttp application on one address, with deadlines, and with an end that loses no request."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Final

from aiohttp import web

from serving.acceptor import Acceptor
from serving.addresses import Address
from serving.connections import HEAD_DEADLINE_SECONDS, MAX_CONNECTIONS, Connection, Connections, take_up
from serving.shedding import SHEDDING

_CLEANUP_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Listener:
    """Serves `app` from `start` to `drain`; an object serves once."""

    def __init__(
        self,
        name: str,
        app: web.Application,
        address: Address,
        *,
        ssl_context: ssl.SSLContext | None = None,
        head_deadline_seconds: float = HEAD_DEADLINE_SECONDS,
        most_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.name = name
        self.address = address
        """Where it listens; after `start` with the host's address and the port that were really taken."""
        self._ssl_context = ssl_context
        self._draining = False
        self._connections = Connections(name, head_deadline_seconds=head_deadline_seconds, most=most_connections)
        self._connections.shedding = app.get(SHEDDING)
        self._runner = web.AppRunner(app, shutdown_timeout=_CLEANUP_SECONDS)
        self._acceptor: Acceptor | None = None
        app.on_response_prepare.append(self._answered)

    async def start(self) -> None:
        """Returns when requests are accepted; raises InvalidInput where the address cannot be had."""
        loop = asyncio.get_running_loop()
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError(f"aiohttp set up no server for listener {self.name}")
        socket = self.address.bind()
        host, port, *_ = socket.getsockname()
        self.address = Address(self.address.host and host, port)
        self._acceptor = Acceptor(
            socket, self._connections, lambda: Connection(server, self._connections, loop), self._ssl_context
        )
        self._acceptor.start()
        fields = {"listener": self.name, "address": self.address, "tls": self._ssl_context is not None}
        _log.info("listening", extra={"fields": fields})

    async def drain(self, seconds: float, *, linger_seconds: float = 0.0) -> None:
        """Accept no more, finish what is in flight within `seconds`, then close.

        A request already begun, even one whose body still arrives, gets its answer, with `Connection: close`. All goes
        on for `linger_seconds` before that, but that each answer ends its connection: a client may be sending on one
        that looks idle from here, and opens new ones while others have yet to learn that this endpoint goes.
        """
        self._draining = True
        if linger_seconds:
            await asyncio.sleep(linger_seconds)
        if self._acceptor is not None:
            self._acceptor.close()
        await asyncio.sleep(0)  # one turn of the loop: a request whose bytes are here already is not idle
        self._connections.close_idle()
        try:
            async with asyncio.timeout(seconds):
                await self._connections.wait_until_none()
        except TimeoutError:
            _log.warning(
                "requests cut off at the end of the drain",
                extra={"fields": {"listener": self.name, "connections": len(self._connections)}},
            )
        if self._acceptor is not None:
            await self._acceptor.abort()
        await self._runner.cleanup()

    async def _answered(self, request: web.Request, response: web.StreamResponse) -> None:
        """Whoever is answered waits no more, also where nobody took it up; and a connection ends with the listener."""
        take_up(request)
        if self._draining:
            response.force_close()
            response.headers["Connection"] = "close"  # aiohttp has written its own headers by now
