"""One client's connection, with the deadline that aiohttp lacks: the head of a request must arrive in time."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from aiohttp import web

from model.errors import InvalidRequest
from serving.answers import fail, refuse

KEEP_ALIVE_SECONDS: Final = 120.0
"""Longer than the 90 s for which the API server and the scheduler keep idle connections: they close first."""

HEAD_DEADLINE_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 2.0
"""How long the rest of a body that was refused is read and thrown away, so that the client gets to its answer."""


class Connections:
    """The open connections of one listener."""

    def __init__(self, listener: str, *, head_deadline_seconds: float) -> None:
        self.listener = listener
        self.head_deadline_seconds = head_deadline_seconds
        self._open: set[Connection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> None:
        self._open.add(connection)
        self._none_left.clear()

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._none_left.set()

    def close_idle(self) -> None:
        for connection in tuple(self._open):
            if connection.is_idle:
                connection.force_close()

    async def wait_until_none(self) -> None:
        await self._none_left.wait()


class Connection(web.RequestHandler):
    """aiohttp's protocol, with a timer from a request's first byte (or the connection's start) to its whole head."""

    __slots__ = ("_connections", "_head_timer", "_received_at")

    def __init__(self, server: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp is told to write none
            auto_decompress=False,
        )
        self._connections = connections
        self._head_timer: asyncio.TimerHandle | None = None
        self._received_at = 0.0

    @property
    def waited_seconds(self) -> float:
        """Since the head of the latest request was here."""
        return monotonic() - self._received_at

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request: nothing is being received in full, handled or answered."""
        return self._waiter is not None and not self._waiter.done() and self._head_timer is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.add(self)
        self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._received_at = monotonic()
            self._stop_head_timer()
        elif self.is_idle:
            self._start_head_timer()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is not HTTP never reaches a handler; it gets a sentence, a log line and a metric all the same.

        aiohttp's own contract holds: ConnectionError where part of an answer is out already.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer was sent before it failed")
        listener = self._connections.listener
        if status >= 500:
            return fail(listener, request, exc)
        text = (message or str(exc) or "not an HTTP/1.1 request").splitlines()[0].rstrip(":")
        error = InvalidRequest(f"this is not a request that can be read: {text}", status=status, reason="http")
        response = refuse(listener, request, error)
        response.force_close()
        return response

    def _start_head_timer(self) -> None:
        self._head_timer = self._loop.call_later(self._connections.head_deadline_seconds, self._give_up_on_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_on_head(self) -> None:
        self._head_timer = None
        self.force_close()


def waited_seconds(request: web.Request) -> float:
    """How long a request has waited for its handler, which calls this first: under overload, behind all the others."""
    connection = request.protocol
    return connection.waited_seconds if isinstance(connection, Connection) else 0.0
