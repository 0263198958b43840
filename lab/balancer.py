"""Several servers behind one address of loopback, as a Service would put them: plain TCP, round robin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from lab.commandlines import LOOPBACK

CHUNK_BYTES = 64 * 1024


class Balancer:
    """Passes each connection to the next of `backends` (ports of loopback) that accepts one; TLS passes through.

    `backends` may be replaced at any time and holds for new connections; established ones stay where they are, as with
    a Service. With no backend that accepts, the client's connection is closed at once.
    """

    def __init__(self, backends: Iterable[int] = (), *, port: int = 0) -> None:
        self.backends = list(backends)
        self.port = port
        """Where it listens; 0 until it is entered means any free port."""
        self._turn = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and break what is still open."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            backend = await self._connect()
            if backend is None:
                return
            backend_reader, backend_writer = backend
            try:
                # Each direction ends by itself: a client that has sent its last byte may still wait for the answer.
                await asyncio.gather(_pass(reader, backend_writer), _pass(backend_reader, writer))
            finally:
                await _close(backend_writer)
        finally:
            await _close(writer)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        backends = list(self.backends)
        start, self._turn = self._turn, self._turn + 1
        for offset in range(len(backends)):
            with suppress(OSError):
                return await asyncio.open_connection(LOOPBACK, backends[(start + offset) % len(backends)])
        return None


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the sender has ended, and tell the receiver so. A broken connection ends both directions."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except (OSError, RuntimeError):  # uvloop's word for a transport that the other direction has closed
        writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
