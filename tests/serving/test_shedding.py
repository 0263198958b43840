"""Requests that are turned away unparsed: which ones, how, and that their connections go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from serving.answers import answering
from serving.connections import take_up
from serving.listener import Listener
from serving.requests import MAX_BODY_BYTES, read_json
from serving.shedding import SHEDDING, Shedding, missing_bytes
from tests.serving.test_listener import LOOPBACK, read_answer

HEAD = b"POST /ask?timeout=5s HTTP/1.1\r\nHost: stoker\r\nContent-Type: application/json\r\n"
ASK = HEAD + b"Content-Length: 4\r\n\r\n{  }"
OTHER = ASK.replace(b"/ask", b"/other")
UNKNOWN = ASK.replace(b"/ask", b"/nowhere")


class Server:
    """A listener that sheds what comes to /ask while `most_waiting` wait; each request takes up its turn, or waits."""

    def __init__(self, most_waiting: int) -> None:
        self.shed = 0
        self.waits = asyncio.Event()
        self.left = asyncio.Event()
        self.may_end = asyncio.Event()
        app = web.Application(middlewares=[answering("test")])
        app.router.add_post("/ask", self._read)
        app.router.add_post("/other", self._read)
        app.router.add_post("/wait", self._wait)
        app[SHEDDING] = Shedding("/ask", most_waiting, 1, "later\n", self._count)
        self.listener = Listener("test", app, LOOPBACK)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that was used."""
        reader, writer = await asyncio.open_connection(self.listener.address.host, self.listener.address.port)
        assert await status(reader, writer, ASK) == 200
        return reader, writer

    async def _read(self, request: web.Request) -> web.Response:
        take_up(request)
        return web.Response(body=await read_json(request))

    async def _wait(self, request: web.Request) -> web.Response:
        """As one whose turn does not come."""
        self.waits.set()
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.left.set()
            raise
        take_up(request)
        return web.Response()

    def _count(self) -> None:
        self.shed += 1


@asynccontextmanager
async def shedding(most_waiting: int = 0) -> AsyncIterator[Server]:
    server = Server(most_waiting)
    await server.listener.start()
    yield server
    server.may_end.set()
    await server.listener.drain(1.0)


async def status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head, _ = await read_answer(reader)
    return int(head.split()[1])


async def send_alone(server: Server, writer: asyncio.StreamWriter, part: bytes) -> None:
    """It is read before anything else comes: who was answered since then was read later."""
    writer.write(part)
    await writer.drain()
    _, other = await server.connect()
    other.close()


def answered() -> float:
    labels = {"listener": "test", "path": "/ask", "code": "429"}
    return REGISTRY.get_sample_value("stoker_http_requests_total", labels) or 0.0


async def test_a_shed_request_is_told_when_to_come_again_and_is_counted() -> None:
    before = answered()
    async with shedding() as server:
        reader, writer = await server.connect()
        writer.write(ASK)
        head, body = await read_answer(reader)
        writer.close()
    assert head.startswith("HTTP/1.1 429 Too Many Requests\r\n")
    assert "\r\nRetry-After: 1\r\n" in head
    assert body == b"later\n"
    assert server.shed == 1
    assert answered() == before + 1


async def test_a_shed_request_leaves_its_connection_to_the_next() -> None:
    async with shedding() as server:
        reader, writer = await server.connect()
        assert [await status(reader, writer, request) for request in (ASK, OTHER, ASK)] == [429, 200, 429]
        writer.close()


async def test_a_body_that_comes_in_parts_is_thrown_away_before_the_answer() -> None:
    async with shedding() as server:
        reader, writer = await server.connect()
        await send_alone(server, writer, ASK[:-3])
        assert await status(reader, writer, ASK[-3:]) == 429
        assert await status(reader, writer, OTHER) == 200
        writer.close()


async def test_requests_that_do_not_wait_for_answers_get_them_in_order() -> None:
    async with shedding() as server:
        reader, writer = await server.connect()
        await send_alone(server, writer, ASK[:-3])
        writer.write(ASK[-3:] + OTHER)
        heads = [(await read_answer(reader))[0] for _ in range(2)]
        writer.close()
    assert [head.split()[1] for head in heads] == ["429", "200"]


async def test_who_was_refused_before_anybody_took_it_up_waits_no_more() -> None:
    async with shedding(most_waiting=1) as server:
        others = [await server.connect() for _ in range(3)]
        assert [await status(*other, UNKNOWN) for other in others] == [404, 404, 404]
        reader, writer = await server.connect()
        assert await status(reader, writer, ASK) == 200
        for _, other in (*others, (reader, writer)):
            other.close()


async def test_nothing_is_shed_unless_enough_wait_for_their_turn() -> None:
    async with shedding(most_waiting=1) as server:
        reader, writer = await server.connect()
        assert await status(reader, writer, ASK) == 200
        _, waiting = await server.connect()
        waiting.write(ASK.replace(b"/ask", b"/wait"))
        await server.waits.wait()
        assert await status(reader, writer, ASK) == 429
        server.may_end.set()
        writer.close()
        waiting.close()


async def test_who_leaves_while_waiting_waits_no_more() -> None:
    async with shedding(most_waiting=1) as server:
        reader, writer = await server.connect()
        _, waiting = await server.connect()
        waiting.write(ASK.replace(b"/ask", b"/wait"))
        await server.waits.wait()
        waiting.transport.abort()
        await server.left.wait()
        assert await status(reader, writer, ASK) == 200
        writer.close()


@pytest.mark.parametrize(
    ("received", "missing"),
    [
        (ASK, 0),
        (ASK[:-3], 3),
        (ASK.replace(b"Content-Length", b"content-length"), 0),
        (ASK.replace(b"?timeout=5s", b""), 0),
        (OTHER, None),
        (ASK.replace(b"POST", b"GET"), None),
        (ASK.replace(b"1.1", b"1.0"), None),
        (HEAD + b"Content-Length: 4\r\n", None),
        (HEAD + b"\r\n", None),
        (ASK + b"POST", None),
        (HEAD + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n{  }", None),
        (HEAD + b"Content-Length: 4\r\nContent-Length: +4\r\n\r\n{  }", None),
        (HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), None),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{  }", None),
        (HEAD + b"Expect: 100-continue\r\nContent-Length: 4\r\n\r\n", None),
        (HEAD + b"Connection: close\r\nContent-Length: 4\r\n\r\n{  }", None),
    ],
)
def test_only_plain_whole_heads_are_shed_unparsed(received: bytes, missing: int | None) -> None:
    assert missing_bytes(received, "/ask") == missing
