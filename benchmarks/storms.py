"""Requests at their times, whatever becomes of those before: what a closed loop, which waits for answers, cannot do.

Written on bare connections, since a client library costs as much for a request as Stoker does for the answer, and who
asks twice as fast as is answered must not be the limit. It speaks as much HTTP/1.1 as Stoker's servers answer with.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Final, Self, cast
from urllib.parse import urlsplit

from benchmarks.load import NUMBER
from model.errors import LabError

OPENED_AT_ONCE: Final = 8
"""Few enough that nothing is late before the storm."""

FILES: Final = 65_536
PASSES: Final = 3
_END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    retry_after: str
    sent: float
    """When the request was written, by `perf_counter`."""


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of it. Seconds are counted from the moment at which a request was due, not from its writing."""

    seconds: tuple[float, ...]
    answers: Counter[tuple[int, str]]
    """By status and Retry-After."""

    per_second: float
    """At which requests were really written."""

    def count(self, status: int) -> int:
        return sum(count for (answered, _), count in self.answers.items() if answered == status)


Ask = Callable[[], Awaitable[Reply]]


class Asker:
    """Sends one body again and again, under ever new numbers, over connections that are opened before."""

    def __init__(self, url: str, body: bytes, context: ssl.SSLContext | None) -> None:
        self._url = urlsplit(url)
        self._address = (self._url.hostname or "", self._url.port or 0)
        self._body = body
        self._context = context
        self._asked = 0
        self._idle: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self.answers: Counter[tuple[int, str]] = Counter()
        """All since the start."""

    @classmethod
    @asynccontextmanager
    async def start(cls, url: str, body: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Self]:
        """`url` is where to POST `body`, in which NUMBER stands for the request's number."""
        asker = cls(url, body, context)
        try:
            yield asker
        finally:
            while not asker._idle.empty():
                asker._idle.get_nowait().close()

    async def connect(self, connections: int) -> None:
        """Have so many more, each used once: a server takes one on which nothing comes for an idler's."""
        slots = asyncio.Semaphore(OPENED_AT_ONCE)

        async def one() -> None:
            async with slots:
                await self._ask(await self._open())

        await asyncio.gather(*(one() for _ in range(connections)))

    async def ask(self) -> Reply:
        """Waits where no connection is free; LabError where no answer comes."""
        connection = await self._idle.get()
        return await self._ask(await self._open() if connection.is_closed else connection)

    async def _ask(self, connection: _Connection) -> Reply:
        self._asked += 1
        body = self._body.replace(NUMBER.encode(), str(self._asked).encode())
        head = f"POST {self._url.path} HTTP/1.1\r\nHost: {self._url.netloc}\r\nContent-Type: application/json\r\n"
        try:
            reply = await connection.ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        finally:
            self._idle.put_nowait(connection)
        self.answers[reply.status, reply.retry_after] += 1
        return reply

    async def _open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, *self._address, ssl=self._context)
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.is_closed = False
        self._received = bytearray()
        self._length = -1
        self._reply: asyncio.Future[Reply] | None = None
        self._head: dict[str, str] = {}
        self._status = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(LabError(f"a connection ended before the answer: {exc or 'closed'}"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._length < 0 and _END_OF_HEAD in self._received:
            self._read_head()
        if 0 <= self._length <= len(self._received) and self._reply is not None:
            self.is_closed = self._head.get("connection", "").lower() == "close"
            self._reply.set_result(Reply(self._status, self._head.get("retry-after", ""), self._sent))
            self._reply = None

    async def ask(self, request: bytes) -> Reply:
        self._received.clear()
        self._length = -1
        self._reply = asyncio.get_running_loop().create_future()
        self._sent = perf_counter()
        self._transport.write(request)
        return await self._reply

    def close(self) -> None:
        self._transport.abort()

    def _read_head(self) -> None:
        head, _, rest = bytes(self._received).partition(_END_OF_HEAD)
        first, *lines = head.decode("latin-1").split("\r\n")
        self._status = int(first.split()[1])
        self._head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._length = int(self._head.get("content-length", 0))
        self._received = bytearray(rest)


def allow_connections() -> None:
    """Let this process, and those that it starts from now on, have tens of thousands, if the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))


async def calm(ask: Ask, requests: int) -> float:
    """Seconds that an answer takes in the mean, where each request waits for the last one's answer."""
    begun = perf_counter()
    for _ in range(requests):
        await ask()
    return (perf_counter() - begun) / requests


async def capacity(ask: Ask, in_flight: int, requests: int) -> float:
    """Answers a second where so many requests are always under way: the best of some passes, the least disturbed."""

    async def keep_asking() -> None:
        for _ in range(requests // in_flight):
            await ask()

    found = []
    for _ in range(PASSES):
        begun = perf_counter()
        await asyncio.gather(*(keep_asking() for _ in range(in_flight)))
        found.append(in_flight * (requests // in_flight) / (perf_counter() - begun))
    return max(found)


async def storm(ask: Ask, per_second: float, seconds: float) -> Storm:
    begun, count = perf_counter(), max(2, int(per_second * seconds))

    async def answered(due: float) -> tuple[float, Reply]:
        reply = await ask()
        return perf_counter() - due, reply

    under_way: list[asyncio.Task[tuple[float, Reply]]] = []
    for number in range(count):
        due = begun + number / per_second
        await asyncio.sleep(due - perf_counter())
        under_way.append(asyncio.create_task(answered(due)))
    found = await asyncio.gather(*under_way)
    written = max(reply.sent for _, reply in found) - begun
    answers = Counter((reply.status, reply.retry_after) for _, reply in found)
    return Storm(tuple(sorted(took for took, _ in found)), answers, (count - 1) / written)


async def recovery(ask: Ask, within_seconds: float, patience_seconds: float) -> float:
    """Seconds until a request is answered with 200 and in so short a time; LabError where that takes too long."""
    begun = perf_counter()
    while True:
        asked = perf_counter()
        reply = await ask()
        if reply.status == 200 and perf_counter() - asked <= within_seconds:
            return perf_counter() - begun
        if perf_counter() - begun > patience_seconds:
            raise LabError("the overload is over, and answers are still late or refused")
