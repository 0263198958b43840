"""The connections of a listener: each answers its requests in their order, and ends when its client is too slow."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from math import inf
from time import monotonic
from typing import Final, cast

from serving import metrics
from serving.answers import observe
from serving.apps import App
from serving.budget import BODIES
from serving.messages import Answer, Request, encode
from serving.reading import Reader

KEEP_ALIVE_SECONDS: Final = 120.0
"""Longer than the 90 s for which the API server and the scheduler keep idle connections: they close first."""

HEAD_DEADLINE_SECONDS: Final = 10.0
SEND_DEADLINE_SECONDS: Final = 10.0
"""For which a client may leave unread what it asked for."""

UNSENT_BYTES: Final = 64 * 1024
"""Of answers that wait in a connection's buffer, beyond which its client counts as one that does not read."""

MAX_CONNECTIONS: Final = 4096
"""Of one listener; each may take some 150 KiB of buffers. API servers and schedulers keep one for each request that
they have under way: tens, and some thousands where more reviews come than can be answered, which are to be shed."""

LINGER_SECONDS: Final = 2.0
"""How long the rest of a body that was refused is read and thrown away, so that the client gets to its answer."""

LOOK_SECONDS: Final = 0.25
"""Between two looks at the deadlines of all connections: one timer for all of them, and none to be set for each
request."""

_log = logging.getLogger(__name__)


class Connections:
    """The connections of one listener, those in their TLS handshake as well."""

    def __init__(self, listener: str, *, head_deadline_seconds: float, most: int = MAX_CONNECTIONS) -> None:
        self.listener = listener
        self.head_deadline_seconds = head_deadline_seconds
        self.is_draining = False
        """Whether each connection ends with its next answer."""

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

    async def watch_deadlines(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = monotonic()
            for connection in tuple(self._open):
                self._look_at(connection, now)

    def _look_at(self, connection: Connection, now: float) -> None:
        """A mistake of ours with one of them must not end the deadlines of all."""
        try:
            connection.look(now)
        except Exception:  # noqa: BLE001 - logged in full
            _log.exception("a connection is ended for a defect", extra={"fields": {"listener": self.listener}})
            connection.abort()

    def close_idle(self) -> None:
        for connection in tuple(self._open):
            if connection.is_idle:
                connection.close()

    def abort(self) -> None:
        """All that are left."""
        for connection in tuple(self._open):
            connection.abort()

    async def wait_until_none(self) -> None:
        await self._none_left.wait()


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = (
        "_app", "_awaiting", "_connections", "_current", "_idle_until", "_is_deaf", "_leaving_until", "_loop",
        "_queue", "_reader", "_sending_until", "transport",
    )  # fmt: skip

    def __init__(self, app: App, connections: Connections) -> None:
        self.transport: asyncio.Transport | None = None
        """None before its handshake is over."""

        self._app = app
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader: Reader | None = None
        self._queue: deque[Request] = deque()
        self._current: Request | None = None
        self._awaiting: asyncio.Task[None] | None = None
        self._is_deaf = False
        self._idle_until = self._leaving_until = self._sending_until = inf

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request is here."""
        is_free = self._current is None and not self._queue
        return is_free and self._reader is not None and not self._reader.has_begun

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES)
        peer = transport.get_extra_info("peername")
        remote = str(peer[0]) if peer else ""
        head_seconds = self._connections.head_deadline_seconds
        self._reader = Reader(self._app, remote, head_seconds, self._deliver, self._send_interim)

    def connection_lost(self, exc: BaseException | None) -> None:
        del exc
        self.transport = None
        self._connections.remove(self)
        self._app.turns.leave(self)
        if self._awaiting is not None:
            self._awaiting.cancel()
        if self._reader is not None:
            self._reader.close()
            self._reader = None  # they know each other, and would wait for the collector
        for request in (*self._queue, *([self._current] if self._current else [])):
            BODIES.release(request)
        self._queue.clear()
        self._current = None

    def data_received(self, data: bytes) -> None:
        if self._reader is None:
            return
        self._reader.feed(data)
        if self._queue and not self._is_deaf and self.transport is not None:
            self._is_deaf = True  # it does not wait for answers, and is heard again when it has them
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        self._sending_until = monotonic() + SEND_DEADLINE_SECONDS

    def resume_writing(self) -> None:
        """Some of it is still unsent. A connection that ends keeps its deadline: nothing else would end it."""
        if self.transport is not None and not self.transport.is_closing():
            self._sending_until = inf
            self._begin_next()

    def look(self, now: float) -> None:
        """Whether the client has kept its deadlines."""
        reader = self._reader
        if now >= self._sending_until:
            self.abort()
        elif now >= self._leaving_until or (now >= self._idle_until and self.is_idle):
            self.close()
        elif reader is not None and now >= reader.deadline and not self._is_deaf:
            reader.give_up()
            if self._current is None:
                self.abort()

    def close(self) -> None:
        """When what was written is sent, for which the client has its time."""
        if self.transport is not None:
            self._leaving_until = inf
            self._sending_until = min(self._sending_until, monotonic() + SEND_DEADLINE_SECONDS)
            self.transport.close()

    def abort(self) -> None:
        """At once; what the client has not taken yet is thrown away."""
        if self.transport is not None:
            self.transport.abort()

    def _send_interim(self, head: bytes) -> None:
        if self.transport is not None and self._current is None:
            self.transport.write(head)

    def _deliver(self, request: Request) -> None:
        self._idle_until = inf
        self._queue.append(request)
        self._begin_next()

    def _begin_next(self) -> None:
        if self._current is not None or not self._queue or self._sending_until < inf:
            return
        self._current = request = self._queue.popleft()
        if request.answer is not None:
            # After what else is to be read: clients that ask again at once would keep the loop reading for ever.
            self._loop.call_soon(self._tell, request, request.answer)
        else:
            self._app.turns.wait(self, self._answer, len(request.body))

    def _answer(self) -> None:
        """Its turn has come."""
        request = self._current
        if request is None:
            return
        answer = self._app.answer(request)
        if isinstance(answer, Answer):
            self._tell(request, answer)
        else:
            self._awaiting = self._loop.create_task(self._tell_later(request, answer))

    async def _tell_later(self, request: Request, answer: Awaitable[Answer]) -> None:
        told = await answer
        self._awaiting = None
        self._tell(request, told)

    def _tell(self, request: Request, answer: Answer) -> None:
        transport, reader = self.transport, self._reader
        if transport is None or reader is None or request is not self._current:
            return
        BODIES.release(request)
        is_last = reader.has_ended or (self._connections.is_draining and not reader.has_begun)
        closes = is_last and not self._queue
        self._current, now = None, monotonic()
        transport.write(encode(answer, with_body=request.method != "HEAD", closes=closes))
        observe(self._app.name, self._app.label(request), answer.status, now - request.head_at)
        if self._queue:
            self._begin_next()
            return
        self._idle_until = now + KEEP_ALIVE_SECONDS
        if self._is_deaf:
            self._is_deaf = False
            reader.resume()
            transport.resume_reading()
        if closes:
            self._leave(reader)

    def _leave(self, reader: Reader) -> None:
        """A client that is still sending would not get to its answer if the connection ended under it."""
        self._reader = None
        reader.close()
        if reader.leaves_unread:
            self._leaving_until = monotonic() + LINGER_SECONDS
        else:
            self.close()
