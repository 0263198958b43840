"""A listener on a real socket: deadlines, TLS, and an end that loses no request."""

from __future__ import annotations

import asyncio
import itertools
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from serving import connections
from serving.addresses import Address
from serving.answers import answering
from serving.listener import Listener
from serving.requests import read_json

LOOPBACK = Address("127.0.0.1", 0)
GET = b"GET / HTTP/1.1\r\nHost: stoker\r\n\r\n"


class Server:
    """A listener whose one handler tells when it began, reads a body, and waits until it may end."""

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, head_deadline_seconds: float = 10.0) -> None:
        self.began = asyncio.Event()
        self.cut_off = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        app = web.Application(middlewares=[answering("test")])
        app.router.add_get("/", self._handle)
        app.router.add_post("/", self._read)
        app.router.add_get("/endless", self._write)
        self.listener = Listener(
            "test",
            app,
            LOOPBACK,
            ssl_context=ssl_context,
            head_deadline_seconds=head_deadline_seconds,
            most_connections=3,
        )

    async def _handle(self, _: web.Request) -> web.Response:
        self.began.set()
        await self.may_end.wait()
        return web.Response(text="done\n")

    async def _read(self, request: web.Request) -> web.Response:
        self.began.set()
        return web.Response(body=await read_json(request))

    async def _write(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1_000_000)
        finally:
            self.cut_off.set()

    async def connect(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self.listener.address
        hostname = "localhost" if context else None
        return await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=hostname)


@asynccontextmanager
async def serving(
    *, ssl_context: ssl.SSLContext | None = None, head_deadline_seconds: float = 10.0
) -> AsyncIterator[Server]:
    server = Server(ssl_context=ssl_context, head_deadline_seconds=head_deadline_seconds)
    await server.listener.start()
    yield server
    server.may_end.set()
    await server.listener.drain(1.0)


async def read_answer(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """The head and the body of one answer; raises IncompleteReadError where the connection ends before it."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(line.split(":")[1] for line in head.splitlines() if line.lower().startswith("content-length"))
    return head, await reader.readexactly(int(length))


async def test_port_zero_becomes_the_real_port() -> None:
    async with serving() as server:
        assert server.listener.address.port > 0


async def test_a_name_to_listen_on_becomes_the_address_that_was_taken() -> None:
    listener = Listener("test", web.Application(), Address("localhost", 0))
    await listener.start()
    assert ip_address(listener.address.host).is_loopback
    await listener.drain(1.0)


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(2):
            writer.write(GET)
            head, body = await read_answer(reader)
            assert head.startswith("HTTP/1.1 200")
            assert body == b"done\n"
        writer.close()


@pytest.mark.parametrize("sent", [b"", GET[:10], GET + GET[:10]])
async def test_a_head_that_does_not_arrive_in_time_ends_the_connection(sent: bytes) -> None:
    async with serving(head_deadline_seconds=0.05) as server:
        reader, writer = await server.connect()
        if sent.startswith(GET):
            writer.write(GET)
            await read_answer(reader)
            sent = sent.removeprefix(GET)
        writer.write(sent)
        assert await reader.read() == b""
        writer.close()


async def test_an_idle_connection_outlives_the_deadline_of_heads() -> None:
    async with serving(head_deadline_seconds=0.05) as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await read_answer(reader)
        silent, silent_writer = await server.connect()
        assert await silent.read() == b""  # the deadline has passed for a connection opened after the answer
        writer.write(GET)
        assert (await read_answer(reader))[1] == b"done\n"
        writer.close()
        silent_writer.close()


async def test_a_body_may_take_longer_than_the_deadline_of_heads() -> None:
    async with serving(head_deadline_seconds=0.05) as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
        await server.began.wait()
        silent, silent_writer = await server.connect()
        assert await silent.read() == b""
        writer.write(b"}")
        assert (await read_answer(reader))[1] == b"{}"
        writer.close()
        silent_writer.close()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01 not HTTP\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\x00 HTTP/1.1\r\n\r\n"]
)
async def test_what_is_not_http_gets_one_sentence_and_one_log_line(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(sent)
        head, body = await read_answer(reader)
        assert head.startswith(("HTTP/1.1 400", "HTTP/1.0 400"))
        assert len(body.splitlines()) == 1
        assert await reader.read() == b""
        writer.close()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "request refused"
    ]


async def test_draining_accepts_no_more_and_finishes_what_is_in_flight() -> None:
    async with serving() as server:
        server.may_end.clear()
        reader, writer = await server.connect()
        writer.write(GET)
        await server.began.wait()
        draining = asyncio.create_task(server.listener.drain(30))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError):
            await server.connect()
        server.may_end.set()
        head, body = await read_answer(reader)
        assert body == b"done\n"
        assert "connection: close" in head.lower()
        await draining
        writer.close()


async def test_draining_waits_for_a_body_that_is_still_arriving() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{")
        await server.began.wait()
        draining = asyncio.create_task(server.listener.drain(30))
        await asyncio.sleep(0)
        writer.write(b"}")
        assert (await read_answer(reader))[1] == b"{}"
        await draining
        writer.close()


async def test_draining_closes_idle_connections_at_once() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await read_answer(reader)
        await server.listener.drain(30)
        assert await reader.read() == b""
        writer.close()


async def test_while_it_lingers_old_and_new_connections_are_answered_once_more() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await read_answer(reader)
        draining = asyncio.create_task(server.listener.drain(30, linger_seconds=0.5))
        await asyncio.sleep(0)
        newer, newer_writer = await server.connect()
        for one, other in ((reader, writer), (newer, newer_writer)):
            other.write(GET)
            head, body = await read_answer(one)
            assert (body, "connection: close" in head.lower()) == (b"done\n", True)
            assert await one.read() == b""
            other.close()
        await draining


async def test_a_listener_that_nobody_is_connected_to_lingers_for_those_who_come_yet() -> None:
    async with serving() as server:
        draining = asyncio.create_task(server.listener.drain(30, linger_seconds=0.5))
        await asyncio.sleep(0)
        reader, writer = await server.connect()
        writer.write(GET)
        assert (await read_answer(reader))[1] == b"done\n"
        writer.close()
        await draining


async def test_draining_ends_at_its_deadline_whatever_runs() -> None:
    async with serving() as server:
        server.may_end.clear()
        reader, writer = await server.connect()
        writer.write(GET)
        await server.began.wait()
        await server.listener.drain(0.01)
        assert await reader.read() == b""
        writer.close()


async def test_a_connection_beyond_the_limit_is_closed_and_counted_and_the_others_go_on() -> None:
    labels = {"listener": "test"}
    before = REGISTRY.get_sample_value("stoker_http_connections_refused_total", labels) or 0
    async with serving() as server:
        kept = [await server.connect() for _ in range(3)]
        for reader, writer in kept:
            writer.write(GET)
            await read_answer(reader)
        newest, newest_writer = await server.connect()
        assert await newest.read() == b""
        newest_writer.close()
        for reader, writer in kept:
            writer.write(GET)
            assert (await read_answer(reader))[1] == b"done\n"
            writer.close()
    assert REGISTRY.get_sample_value("stoker_http_connections_refused_total", labels) == before + 1


async def test_a_client_that_does_not_read_its_answer_loses_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SEND_DEADLINE_SECONDS", 0.05)
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"/", b"/endless", 1))
        async with asyncio.timeout(5):
            await server.cut_off.wait()
        assert not reader.at_eof()
        writer.close()


async def test_a_handler_is_told_how_long_its_request_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "monotonic", itertools.count(100.0, 7.0).__next__)

    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=str(connections.take_up(request)))

    app = web.Application()
    app.router.add_get("/", tell)
    listener = Listener("test", app, LOOPBACK)
    await listener.start()
    reader, writer = await asyncio.open_connection(listener.address.host, listener.address.port)
    writer.write(GET)
    _, body = await read_answer(reader)
    writer.close()
    await listener.drain(1.0)
    assert body == b"7.0"
