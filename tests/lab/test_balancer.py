from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.balancer import Balancer
from lab.commandlines import LOOPBACK
from lab.processes import free_ports


@asynccontextmanager
async def backend(name: str) -> AsyncIterator[int]:
    """A server that reads until the client has ended its side, and answers with its name and what it read."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read()
        writer.write(f"{name}:".encode() + request)
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def ask(port: int, question: bytes = b"?") -> str:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.decode()


async def test_connections_go_to_the_backends_in_turn() -> None:
    async with backend("a") as a, backend("b") as b, Balancer([a, b]) as balancer:
        assert [await ask(balancer.port) for _ in range(4)] == ["a:?", "b:?", "a:?", "b:?"]


async def test_a_backend_that_refuses_is_skipped() -> None:
    async with backend("a") as a, Balancer([*free_ports(1), a]) as balancer:
        assert [await ask(balancer.port) for _ in range(3)] == ["a:?"] * 3


async def test_backends_can_be_replaced_while_it_runs() -> None:
    async with backend("a") as a, backend("b") as b, Balancer([a]) as balancer:
        before = await ask(balancer.port)
        balancer.backends = [b]
        assert (before, await ask(balancer.port)) == ("a:?", "b:?")


async def test_without_a_backend_the_connection_is_closed() -> None:
    async with Balancer() as balancer:
        reader, writer = await asyncio.open_connection(LOOPBACK, balancer.port)
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_has_ended_its_side_still_gets_a_large_answer() -> None:
    question = b"x" * 3_000_000
    async with backend("a") as a, Balancer([a]) as balancer:
        assert len(await ask(balancer.port, question)) == len("a:") + len(question)


async def test_leaving_it_breaks_connections_that_are_still_open() -> None:
    async with backend("a") as a:
        async with Balancer([a]) as balancer:
            reader, writer = await asyncio.open_connection(LOOPBACK, balancer.port)
            writer.write(b"unfinished")
            await writer.drain()
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
        writer.close()
        assert answer == b""
