"""One client's connection, with the deadline that aiohttp lacks: the head of a request must arrive in time."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

from aiohttp import web

from model.errors import InvalidRequest
from serving import metrics
from serving.answers import fail, observe, refuse
from serving.shedding import SHED_STATUS, Shedding, missing_bytes

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
        self.shedding: Shedding | None = None
        """None where nothing is shed."""

        self._most = most
        self._waiting: set[Connection] = set()
        self._open: set[Connection] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether there are as many as there may be: another one costs one."""
        return len(self._open) >= self._most

    @property
    def sheds(self) -> bool:
        return self.shedding is not None and len(self._waiting) >= self.shedding.most_waiting

    def waits(self, connection: Connection) -> None:
        """A request's head is here, and its turn has yet to come."""
        if self.shedding is not None:
            self._waiting.add(connection)

    def waits_no_more(self, connection: Connection) -> None:
        self._waiting.discard(connection)

    def count_refusal(self) -> None:
        metrics.CONNECTIONS_REFUSED.labels(self.listener).inc()

    def add(self, connection: Connection) -> None:
        self._open.add(connection)
        self._none_left.clear()

    def remove(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._waiting.discard(connection)
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
    with one while the client does not read its answer. What is to be shed never gets to aiohttp.
    """

    __slots__ = ("_connections", "_head_timer", "_send_timer", "_shed_handle", "_unread_bytes", "head_at")

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
        self._shed_handle: asyncio.Handle | None = None
        self._unread_bytes = 0
        """What is to come of a request that is shed."""

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

    def take_up(self) -> float:
        """The turn of the last request has come; how long ago its head was whole."""
        self._connections.waits_no_more(self)
        return monotonic() - self.head_at

    def data_received(self, data: bytes) -> None:
        if self._shed_handle is not None:  # it does not wait for the answer before it goes on
            self._shed_handle.cancel()
            self._tell_shed()
        if self._unread_bytes:
            self._skip(data)
        elif not (self._connections.sheds and self.is_idle and self._shed(data)):
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        if self._request_count != heads:
            self._stop_head_timer()
            self.head_at = monotonic()
            self._connections.waits(self)
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

    def _shed(self, data: bytes) -> bool:
        """False where this is nothing that can be shed."""
        shedding = self._connections.shedding
        missing = missing_bytes(data, shedding.path) if shedding else None
        if missing is None:
            return False
        self._unread_bytes = missing
        self.head_at = monotonic()
        if missing:
            self._start_head_timer()
        else:
            self._tell_shed_soon()
        return True

    def _skip(self, data: bytes) -> None:
        rest = data[self._unread_bytes :]
        self._unread_bytes = max(0, self._unread_bytes - len(data))
        if self._unread_bytes:
            return
        self._stop_head_timer()
        self._tell_shed_soon()
        if rest:
            self.data_received(rest)

    def _tell_shed_soon(self) -> None:
        """After those that wait: where clients ask again at once, the loop would never come to an end of reading."""
        self._shed_handle = self._loop.call_soon(self._tell_shed)

    def _tell_shed(self) -> None:
        self._shed_handle = None
        shedding = self._connections.shedding
        if shedding is None or self.transport is None:
            self.force_close()
            return
        self.transport.write(shedding.answer)
        shedding.count()
        observe(self._connections.listener, shedding.path, SHED_STATUS, monotonic() - self.head_at)
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_SECONDS

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


def take_up(request: web.BaseRequest) -> float:
    """Begin to answer: the request waits no more. Seconds since its head was whole; 0 where no Listener received it."""
    connection = request.protocol
    return connection.take_up() if isinstance(connection, Connection) else 0.0
