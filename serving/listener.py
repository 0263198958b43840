"""A listener: one application on one address, with deadlines, and with an end that loses no request."""

from __future__ import annotations

import asyncio
import logging
import ssl

from serving.acceptor import Acceptor
from serving.addresses import Address
from serving.apps import App
from serving.connections import HEAD_DEADLINE_SECONDS, MAX_CONNECTIONS, Connection, Connections

_log = logging.getLogger(__name__)


class Listener:
    """Serves `app` from `start` to `drain`; an object serves once."""

    def __init__(
        self,
        app: App,
        address: Address,
        *,
        ssl_context: ssl.SSLContext | None = None,
        head_deadline_seconds: float = HEAD_DEADLINE_SECONDS,
        most_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self.name = app.name
        self.address = address
        """Where it listens; after `start` with the host's address and the port that were really taken."""
        self._app = app
        self._ssl_context = ssl_context
        self._connections = Connections(app.name, head_deadline_seconds=head_deadline_seconds, most=most_connections)
        self._acceptor: Acceptor | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when requests are accepted; raises InvalidInput where the address cannot be had."""
        socket = self.address.bind()
        host, port, *_ = socket.getsockname()
        self.address = Address(self.address.host and host, port)
        connections = self._connections
        self._acceptor = Acceptor(socket, connections, lambda: Connection(self._app, connections), self._ssl_context)
        self._acceptor.start()
        self._watching = asyncio.create_task(connections.watch_deadlines(), name=f"deadlines of {self.name}")
        fields = {"listener": self.name, "address": self.address, "tls": self._ssl_context is not None}
        _log.info("listening", extra={"fields": fields})

    async def drain(self, seconds: float, *, linger_seconds: float = 0.0) -> None:
        """Accept no more, finish what is in flight within `seconds`, then close.

        A request already begun, even one whose body still arrives, gets its answer, with `Connection: close`. All goes
        on for `linger_seconds` before that, but that each answer ends its connection: a client may be sending on one
        that looks idle from here, and opens new ones while others have yet to learn that this endpoint goes.
        """
        connections = self._connections
        connections.is_draining = True
        if linger_seconds:
            await asyncio.sleep(linger_seconds)
        if self._acceptor is not None:
            self._acceptor.close()
        await asyncio.sleep(0)  # one turn of the loop: a request whose bytes are here already is not idle
        connections.close_idle()
        try:
            async with asyncio.timeout(seconds):
                await connections.wait_until_none()
        except TimeoutError:
            _log.warning(
                "requests cut off at the end of the drain",
                extra={"fields": {"listener": self.name, "connections": len(connections)}},
            )
        if self._acceptor is not None:
            await self._acceptor.abort()
        connections.abort()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
