"""Accepting connections: what is beyond the limit is closed at once, before anything is spent on a TLS handshake."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from serving.connections import Connection, Connections

HANDSHAKE_SECONDS: Final = 10.0
"""For which a client may take for its TLS handshake."""

BURST: Final = 20
"""Accepted at most before others get the event loop."""

PAUSE_SECONDS: Final = 1.0
"""After the process, or the machine, had no file descriptor or no memory left for a connection."""

_log = logging.getLogger(__name__)


class Acceptor:
    """Takes connections from a listening socket, from `start` to `close`.

    The event loop's own servers tell of a connection when its handshake is over. Whoever opens many and never begins
    it would be bounded by nothing; here they are in `connections` from the first moment.
    """

    def __init__(
        self,
        listening: socket.socket,
        connections: Connections,
        create: Callable[[], Connection],
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        self._listening = listening
        self._connections = connections
        self._create = create
        self._ssl_context = ssl_context
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._arriving: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._resume = None
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Accept no more; handshakes that have begun go on."""
        if self._resume is not None:
            self._resume.cancel()
        if self._listening.fileno() >= 0:
            self._loop.remove_reader(self._listening)
            self._listening.close()

    async def abort(self) -> None:
        """End the handshakes that have begun."""
        for task in self._arriving:
            task.cancel()
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(BURST):
            try:
                accepted, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            if self._connections.refuses_another():
                accepted.close()
                continue
            accepted.setblocking(False)
            connection = self._create()
            self._connections.add(connection)
            task = self._loop.create_task(self._let_in(accepted, connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _let_in(self, accepted: socket.socket, connection: Connection) -> None:
        seconds = HANDSHAKE_SECONDS if self._ssl_context else None
        try:
            with suppress(OSError):  # so are all errors of handshakes
                await self._loop.connect_accepted_socket(
                    lambda: connection, accepted, ssl=self._ssl_context, ssl_handshake_timeout=seconds
                )
        finally:
            if connection.transport is None:
                self._connections.remove(connection)

    def _pause(self, error: OSError) -> None:
        """The connection stays in the socket's queue, and asking for it again at once would be of no use."""
        fields = {"listener": self._connections.listener, "why": error}
        _log.error("a connection could not be accepted; trying again in a second", extra={"fields": fields})
        self._loop.remove_reader(self._listening)
        self._resume = self._loop.call_later(PAUSE_SECONDS, self.start)
