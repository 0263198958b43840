"""A listener on a real socket: deadlines, TLS, and an end that loses no request."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from time import monotonic
from typing import Any

import pytest
from prometheus_client import REGISTRY

from serving import connections, reading
from serving.addresses import Address
from serving.apps import App
from serving.budget import BODIES
from serving.listener import Listener
from serving.messages import TEXT, Answer, Request
from serving.reading import Reader
from tests.serving.client import LOOPBACK

GET = b"GET / HTTP/1.1\r\nHost: stoker\r\n\r\n"


BEGUN = b"POST / HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
"""A request but for its last byte."""


class Server:
    """A listener whose handlers tell when they began, and wait until they may end."""

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        head_deadline_seconds: float = 10.0,
        body_deadline_seconds: float = 10.0,
    ) -> None:
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        app = App("test", body_deadline_seconds=body_deadline_seconds)
        app.get("/", self._handle)
        app.get("/large", lambda _: Answer(body=b"x" * 50_000_000))
        app.post("/", lambda request: Answer(body=request.body))
        self.listener = Listener(
            app,
            LOOPBACK,
            ssl_context=ssl_context,
            head_deadline_seconds=head_deadline_seconds,
            most_connections=3,
        )

    async def _handle(self, _: Request) -> Answer:
        self.began.set()
        await self.may_end.wait()
        return Answer(body=b"done\n", content_type=TEXT)

    async def connect(self, context: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self.listener.address
        hostname = "localhost" if context else None
        return await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=hostname)

    async def send_alone_while_held(self, writer: asyncio.StreamWriter, part: bytes) -> None:
        """As `send_alone`, where handlers are held up."""
        writer.write(part)
        await writer.drain()
        reader, other = await self.connect()
        other.write(BEGUN + b"}")
        await read_answer(reader)
        other.close()

    async def send_alone(self, writer: asyncio.StreamWriter, part: bytes) -> None:
        """It is read before anything else comes: who was answered since then was read later."""
        writer.write(part)
        await writer.drain()
        reader, other = await self.connect()
        other.write(GET)
        await read_answer(reader)
        other.close()


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    server = Server(**options)
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
    listener = Listener(App("test"), Address("localhost", 0))
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
        await server.send_alone(writer, BEGUN)
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
        await server.send_alone(writer, BEGUN)
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
        writer.write(GET.replace(b"/", b"/large", 1))
        async with asyncio.timeout(5):
            await server.listener.drain(30.0)  # which waits for every connection
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await read_answer(reader)
        writer.close()


async def test_an_idle_connection_is_closed_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "KEEP_ALIVE_SECONDS", 0.05)
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        await read_answer(reader)
        assert await reader.read() == b""
        writer.close()


async def test_a_body_that_does_not_arrive_in_time_is_told_so() -> None:
    async with serving(body_deadline_seconds=0.05) as server:
        reader, writer = await server.connect()
        writer.write(BEGUN)
        head, body = await read_answer(reader)
        assert head.startswith("HTTP/1.1 408")
        assert "connection: close" in head.lower()
        assert body == b"the body did not arrive within 0.05 s; send it whole\n"
        writer.close()


async def test_what_is_left_of_a_refused_body_is_read_before_the_connection_ends() -> None:
    length = 20_000_000  # more than all buffers between the two take
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(BEGUN.replace(b"Length: 2", b"Length: %d" % length) + b" " * (length - 1))
        await writer.drain()
        head, _ = await read_answer(reader)
        assert head.startswith("HTTP/1.1 413")
        writer.close()


async def test_requests_that_do_not_wait_for_answers_get_them_in_order() -> None:
    async with serving() as server:
        server.may_end.clear()
        reader, writer = await server.connect()
        writer.write(GET + GET.replace(b"/", b"/nowhere", 1) + BEGUN + b"}" + GET)
        await server.began.wait()
        server.may_end.set()
        answers = [await read_answer(reader) for _ in range(4)]
        writer.close()
    assert [head.split()[1] for head, _ in answers] == ["200", "404", "200", "200"]
    assert [body for _, body in answers][2:] == [b"{}", b"done\n"]


async def test_who_sends_on_without_reading_is_not_listened_to() -> None:
    async with serving() as server:
        server.may_end.clear()
        _, writer = await server.connect()
        await server.send_alone_while_held(writer, GET * 2)
        writer.write(b" " * 20_000_000)  # more than all buffers between the two take
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.5)
        writer.transport.abort()


async def test_of_many_requests_at_once_the_first_are_answered_and_the_connection_ends() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET * 1_000)
        answers = [await read_answer(reader) for _ in range(reading.MOST_PIPELINED + 1)]
        assert await reader.read() == b""
        writer.close()
    assert [head.split()[1] for head, _ in answers] == ["200"] * reading.MOST_PIPELINED + ["400"]


async def test_nothing_of_a_refused_body_is_kept_while_its_connection_lingers() -> None:
    head = BEGUN.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").removesuffix(b"{")
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(head + b"900000\r\n" + b" " * 0x900000)
        assert (await read_answer(reader))[0].startswith("HTTP/1.1 413")
        assert BODIES.held_bytes == 0
        assert not [found for found in gc.get_objects() if isinstance(found, Reader) and found._chunks]  # noqa: SLF001 - what it keeps is what is asked
        writer.close()


@pytest.mark.parametrize("rest", [b"0\r\nX: " + b"y" * 200_000, b"1\r\n \r\n" * 40_000])
async def test_a_body_that_is_framing_for_the_most_part_is_refused(rest: bytes) -> None:
    head = BEGUN.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").removesuffix(b"{")
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(head + rest)
        assert (await read_answer(reader))[0].startswith("HTTP/1.1 400")
        writer.close()


async def test_an_answer_that_is_not_taken_ends_with_its_deadline_however_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Shorter than the buffer at which writing is paused, and the last one: nothing but the deadline ends it."""
    monkeypatch.setattr(connections, "SEND_DEADLINE_SECONDS", 0.05)
    monkeypatch.setattr(connections, "UNSENT_BYTES", 100_000_000)
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"/", b"/large", 1).removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
        await reader.readexactly(1)
        async with asyncio.timeout(5):
            await server.listener.drain(30.0)  # which waits for every connection
        writer.close()


class StubTransport(asyncio.Transport):
    """Sends nothing by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False
        self.closed = asyncio.Event()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def write(self, data: bytes | bytearray | memoryview) -> None:
        del data

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def abort(self) -> None:
        self.is_aborted = True


async def test_a_client_that_stops_near_the_end_of_its_last_answer_loses_its_connection() -> None:
    """What is unsent is less than that at which writing goes on, so nobody will be told of it again."""
    app = App("test")
    app.get("/", lambda _: Answer())
    connection = connections.Connection(app, connections.Connections("test", head_deadline_seconds=1.0))
    transport = StubTransport()
    connection.connection_made(transport)
    connection.data_received(GET.removesuffix(b"\r\n") + b"Connection: close\r\n\r\n")
    async with asyncio.timeout(5):
        await transport.closed.wait()
    connection.pause_writing()
    connection.resume_writing()
    connection.look(monotonic() + connections.SEND_DEADLINE_SECONDS)
    assert transport.is_aborted


async def test_one_connection_that_we_stumble_over_ends_no_other_ones_deadlines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look, failing = connections.Connection.look, iter([ZeroDivisionError("a defect")])

    def look_once(connection: connections.Connection, now: float) -> None:
        for error in failing:
            raise error
        look(connection, now)

    monkeypatch.setattr(connections.Connection, "look", look_once)
    async with serving(head_deadline_seconds=0.05) as server:
        silent = [await server.connect() for _ in range(2)]
        for reader, writer in silent:
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
    assert "a defect" in caplog.text


async def test_a_part_of_a_request_that_was_not_listened_to_has_its_time_afterwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "LOOK_SECONDS", 0.01)
    async with serving(head_deadline_seconds=0.3) as server:
        server.may_end.clear()
        reader, writer = await server.connect()
        await server.send_alone_while_held(writer, GET + GET + GET[:10])
        silent, silent_writer = await server.connect()
        assert await silent.read() == b""  # the deadline has passed for who came after it
        server.may_end.set()
        answers = [(await read_answer(reader))[1] for _ in range(2)]
        late, late_writer = await server.connect()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):  # in which the deadlines of all are looked at
                await late.read()
        writer.write(GET[10:])
        assert [*answers, (await read_answer(reader))[1]] == [b"done\n"] * 3
        for open_one in (writer, silent_writer, late_writer):
            open_one.close()


async def test_what_a_drain_finds_begun_behind_another_is_answered_too() -> None:
    async with serving() as server:
        server.may_end.clear()
        reader, writer = await server.connect()
        await server.send_alone_while_held(writer, GET + BEGUN)
        draining = asyncio.create_task(server.listener.drain(5.0))
        await asyncio.sleep(0)
        server.may_end.set()
        heads = [(await read_answer(reader))[0]]
        writer.write(b"}")
        heads.append((await read_answer(reader))[0])
        await draining
        writer.close()
    assert ["connection: close" in head.lower() for head in heads] == [False, True]


async def test_a_connection_serves_as_many_requests_as_come_one_after_another() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        for _ in range(3 * reading.MOST_PIPELINED):
            writer.write(GET)
            assert (await read_answer(reader))[1] == b"done\n"
        writer.close()


async def test_a_large_body_in_honest_chunks_is_read() -> None:
    chunk, count = b"x" * 2_048, 2_048
    head = BEGUN.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").removesuffix(b"{")
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(head + (b"800\r\n" + chunk + b"\r\n") * count + b"0\r\n\r\n")
        assert (await read_answer(reader))[1] == chunk * count
        writer.close()


async def test_half_a_request_costs_the_one_before_it_no_answer() -> None:
    async with serving(head_deadline_seconds=0.05) as server:
        server.may_end.clear()
        reader, writer = await server.connect()
        await server.send_alone_while_held(writer, GET + GET[:10])
        silent, silent_writer = await server.connect()
        assert await silent.read() == b""  # the deadline has passed for who came after it
        server.may_end.set()
        head, body = await read_answer(reader)
        assert (body, "connection: close" in head.lower()) == (b"done\n", True)
        assert await reader.read() == b""
        writer.close()
        silent_writer.close()


async def test_draining_closes_connections_that_have_asked_nothing() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        other, other_writer = await server.connect()
        other_writer.write(GET)
        await read_answer(other)  # so that the one before it was accepted
        async with asyncio.timeout(5):
            await server.listener.drain(30)
        assert await reader.read() == b""
        writer.close()
        other_writer.close()


@pytest.mark.parametrize("size", [1, 7, 1_000])
async def test_a_request_may_come_in_parts_of_any_size(size: int) -> None:
    sent = BEGUN + b"}" + GET
    async with serving() as server:
        reader, writer = await server.connect()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for begin in range(0, len(sent), size):
            writer.write(sent[begin : begin + size])
            await asyncio.sleep(0)
        assert [(await read_answer(reader))[1] for _ in range(2)] == [b"{}", b"done\n"]
        writer.close()


async def test_a_body_may_come_in_chunks() -> None:
    head = BEGUN.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked").removesuffix(b"{")
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(head + b"1\r\n{\r\n1;more=1\r\n}\r\n0\r\nTrailer: x\r\n\r\n" + GET)
        assert [(await read_answer(reader))[1] for _ in range(2)] == [b"{}", b"done\n"]
        writer.close()


async def test_who_asks_whether_to_go_on_is_told_to() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(BEGUN.removesuffix(b"\r\n{") + b"Expect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await read_answer(reader))[1] == b"{}"
        writer.close()


async def test_head_is_answered_without_a_body() -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET.replace(b"GET", b"HEAD") + GET)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert "Content-Length: 5\r\n" in head
        assert (await read_answer(reader))[1] == b"done\n"
        writer.close()


@pytest.mark.parametrize("field", [b"Connection: close", b"Upgrade: h2c\r\nConnection: Upgrade"])
async def test_a_connection_ends_with_an_answer_after_which_nothing_can_come(field: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET.removesuffix(b"\r\n") + field + b"\r\n\r\n")
        head, body = await read_answer(reader)
        assert (body, "connection: close" in head.lower()) == (b"done\n", True)
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"x" * 40_000,
        GET.removesuffix(b"\r\n") + b"X: " + b"y" * 40_000,
        GET.removesuffix(b"\r\n") + b"X: " + b"y" * 40_000 + b"\r\n\r\n",
        GET.removesuffix(b"\r\n") + b"X:\r\n" * 10_000 + b"\r\n",
    ],
)
async def test_a_head_that_is_too_long_is_refused(sent: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(sent)
        assert (await read_answer(reader))[0].startswith("HTTP/1.1 431")
        writer.close()


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 4\r\nContent-Length: 4",
        b"Content-Length: 4\r\nHost: other",
        b"Transfer-Encoding: gzip, chunked",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: +4",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 4",
    ],
)
async def test_a_request_whose_end_cannot_be_told_is_refused_and_ends_its_connection(fields: bytes) -> None:
    head = b"POST / HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\n" + fields + b"\r\n\r\n"
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(head + b"abcd" + GET)
        answer, _ = await read_answer(reader)
        assert answer.startswith("HTTP/1.1 400")
        assert "connection: close" in answer.lower()
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", GET.replace(b"1.1", b"2.0"), b"GET / HTTP/0.9\r\n\r\n"])
async def test_what_is_no_request_of_http_1_is_refused(sent: bytes) -> None:
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(sent)
        assert (await read_answer(reader))[0].startswith("HTTP/1.1 400")
        writer.close()


async def test_a_defect_in_reading_is_a_503_with_the_traceback_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(App, "refusal", fail)
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        assert (await read_answer(reader))[0].startswith("HTTP/1.1 503")
        writer.close()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["a defect"]


async def test_a_handler_is_told_how_long_its_request_waited_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(reading, "monotonic", lambda: 100.0)
    monkeypatch.setattr("serving.messages.time.monotonic", lambda: now[0])
    app = App("test")
    app.get("/", lambda request: Answer(body=str(request.waited()).encode()))
    listener = Listener(app, LOOPBACK)
    await listener.start()
    now[0] = 107.0
    reader, writer = await asyncio.open_connection(listener.address.host, listener.address.port)
    writer.write(GET)
    _, body = await read_answer(reader)
    writer.close()
    monkeypatch.undo()
    await listener.drain(1.0)
    assert body == b"7.0"
