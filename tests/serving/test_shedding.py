"""Where too many wait for their turn: what comes is told to come again, and its connection goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from serving import reading
from serving.apps import App, Crowd
from serving.listener import Listener
from serving.messages import Answer, Request, sentence
from tests.serving.client import LOOPBACK
from tests.serving.test_listener import GET, read_answer

ASK = b"POST /ask?timeout=5s HTTP/1.1\r\nHost: s\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{  }"
UNKNOWN = ASK.replace(b"/ask", b"/nowhere")


class Server:
    """A listener that sheds while so many, or so many bytes, wait."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.shed = 0
        self.app = App("test", crowd=Crowd(most, most_bytes, self._shed))
        self.app.post("/ask", lambda request: Answer(body=request.body))
        self.app.get("/", lambda _: Answer())
        self.listener = Listener(self.app, LOOPBACK)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.listener.address.host, self.listener.address.port)

    async def send_alone(self, writer: asyncio.StreamWriter, part: bytes) -> None:
        """It is read before anything else comes: who was answered since then was read later."""
        writer.write(part)
        await writer.drain()
        reader, other = await self.connect()
        assert await status(reader, other, UNKNOWN) == 404
        other.close()

    def _shed(self, _: Request) -> Answer:
        self.shed += 1
        return sentence(429, "later", headers=(("Retry-After", "1"),))


@asynccontextmanager
async def shedding(most: int = 0, most_bytes: int = 1_000_000) -> AsyncIterator[Server]:
    server = Server(most, most_bytes)
    await server.listener.start()
    yield server
    await server.listener.drain(1.0)


async def status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    head, _ = await read_answer(reader)
    return int(head.split()[1])


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
        assert [await status(reader, writer, request) for request in (ASK, GET, ASK)] == [429, 200, 429]
        writer.close()


async def test_a_body_that_comes_in_parts_is_thrown_away_before_the_answer() -> None:
    async with shedding() as server:
        reader, writer = await server.connect()
        await server.send_alone(writer, ASK[:-3])
        assert await status(reader, writer, ASK[-3:]) == 429
        assert await status(reader, writer, GET) == 200
        writer.close()


async def test_a_body_in_chunks_is_thrown_away_however_large() -> None:
    chunks = (b"1000\r\n" + b" " * 4_096 + b"\r\n") * 100 + b"0\r\n\r\n"
    head = ASK.replace(b"Content-Length: 4", b"Transfer-Encoding: chunked").removesuffix(b"{  }")
    async with shedding() as server:
        reader, writer = await server.connect()
        assert await status(reader, writer, head + chunks) == 429
        writer.close()


async def test_a_request_waits_from_when_its_body_was_here_and_not_from_its_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = iter(range(1_000))
    monkeypatch.setattr(reading, "monotonic", lambda: float(next(now)))
    times: list[tuple[float, float]] = []

    def note(request: Request) -> Answer:
        times.append((request.head_at, request.whole_at))
        return Answer()

    async with shedding(most=1) as server:
        server.app.post("/note", note)
        reader, writer = await server.connect()
        await server.send_alone(writer, ASK.replace(b"/ask", b"/note")[:-3])
        assert await status(reader, writer, ASK[-3:]) == 200
        writer.close()
    [(head_at, whole_at)] = times
    assert whole_at > head_at


@pytest.mark.parametrize(("most", "most_bytes"), [(1, 1_000_000), (1_000, 3)])
async def test_nothing_is_shed_unless_enough_wait_for_their_turn(most: int, most_bytes: int) -> None:
    async with shedding(most, most_bytes) as server:
        reader, writer = await server.connect()
        assert await status(reader, writer, ASK) == 200
        server.app.turns.wait("somebody", lambda: None, 4)
        assert server.app.shed(Request("POST", "/ask", "", 0.0)) is not None
        server.app.turns.leave("somebody")
        assert await status(reader, writer, ASK) == 200
        writer.close()


async def test_who_leaves_while_waiting_waits_no_more() -> None:
    async with shedding(1) as server:
        connections = [await server.connect() for _ in range(3)]
        for _, writer in connections:
            writer.write(ASK)
            writer.transport.abort()
        reader, writer = await server.connect()
        assert await status(reader, writer, ASK) == 200
        assert len(server.app.turns) == 0
        writer.close()
