"""One client's connection, with the deadline that aiohttp lacks: the head of a request must arrive in time."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from aiohttp import web

from model.errors import InvalidRequest
from serving import metrics
from serving.answers import fail, refuse

KEEP_ALIVE_SECONDS: Final = 120.0
"""Longer than the 90 s for which the API server and the scheduler keep idle connections: they close first."""

HEAD_DEADLINE_SECONDS: Final = 10.0
SEND_DEADLINE_SECONDS: Final = 10.0
"""For which a client may leave unread what it asked for."""

MAX_CONNECTIONS: Final = 4096
"""Of one listener; each may take some 100 KiB of buffers. API servers and schedulers keep one for each request that
they have under way: tens, and some thousands where more reviews come than can be answered, which are to be shed."""

LINGER_SECONDS: Final = 2.0
"""How long the rest of a body that was refused is read and thrown away, so that the client gets to its answer."""


class Connections:
    """The connections of one listener, those in their TLS handshake as well."""

    def __init__(self, listener: str, *, head_deadline_seconds: float, most: int = MAX_CONNECTIONS) -> None:
        self.listener = listener
        self.head_deadline_seconds = head_deadline_seconds
        self._most = most
        self._open: set[Connection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether there are as many as there may be: another one costs one."""
        return len(self._open) >= self._most

    def count_refusal(self) -> None:
        metrics.CONNECTIONS_REFUSED.labels(self.listener).inc()

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
    """aiohttp's protocol, with a timer from a request's first byte (or the connection's start) to its whole head, and
    with one while the client does not read its answer.
    """

    __slots__ = ("_connections", "_head_timer", "_send_timer", "head_at")

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
        self._send_timer: asyncio.TimerHandle | None = None
        self.head_at = 0.0
        """When the last request's head was whole, on the monotonic clock."""

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request: nothing is being received in full, handled or answered."""
        return self._waiter is not None and not self._waiter.done() and self._head_timer is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        self._stop_send_timer()
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._stop_head_timer()
            self.head_at = monotonic()
        elif self.is_idle:
            self._start_head_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._send_timer = self._loop.call_later(SEND_DEADLINE_SECONDS, self.abort)

    def resume_writing(self) -> None:
        self._stop_send_timer()
        super().resume_writing()

    def abort(self) -> None:
        """End at once; what the client has not taken yet is thrown away."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

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

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _give_up_on_head(self) -> None:
        self._head_timer = None
        self.abort()


def seconds_in_hand(request: web.BaseRequest) -> float:
    """How long ago a request's head was whole; 0 where no Listener received it."""
    connection = request.protocol
    return monotonic() - connection.head_at if isinstance(connection, Connection) else 0.0
