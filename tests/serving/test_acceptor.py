"""Connections on their way in: TLS handshakes have a deadline, and count as connections from their first moment."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from certs.authority import CertificateAuthority
from serving import acceptor
from tests.serving.test_listener import GET, Server, read_answer, serving

MOST = 3
DEADLINE_SECONDS = 10.0


class Trusted:
    """A server's context, and one of a client that trusts it."""

    def __init__(self, directory: Path) -> None:
        authority = CertificateAuthority.create("test", now=datetime.now(UTC))
        leaf = authority.issue("localhost", now=datetime.now(UTC), identities=["localhost"])
        certificate, key = directory / "tls.crt", directory / "tls.key"
        certificate.write_bytes(leaf.certificate_pem)
        key.write_bytes(leaf.key_pem)
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.load_cert_chain(certificate, key)
        self.client = ssl.create_default_context(cadata=authority.pair.certificate_pem.decode())


@pytest.fixture
def trusted(tmp_path: Path) -> Trusted:
    return Trusted(tmp_path)


def refused() -> float:
    return REGISTRY.get_sample_value("stoker_http_connections_refused_total", {"listener": "test"}) or 0.0


async def is_served(server: Server, context: ssl.SSLContext) -> bool:
    """Whether an honest client gets its answer."""
    try:
        reader, writer = await server.connect(context)
    except OSError:
        return False
    writer.write(GET)
    _, body = await read_answer(reader)
    writer.close()
    return body == b"done\n"


async def is_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends the connection, in either of the two ways, before anything is sent."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await reader.read() == b""
    except ConnectionError:
        return True


@asynccontextmanager
async def silent(server: Server, number: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many clients that connect, and never begin their handshake."""
    opened = [await server.connect() for _ in range(number)]
    try:
        yield [reader for reader, _ in opened]
    finally:
        for _, writer in opened:
            writer.close()


async def test_tls_is_served_to_those_who_trust_the_authority(trusted: Trusted) -> None:
    async with serving(ssl_context=trusted.server) as server:
        assert await is_served(server, trusted.client)
        with pytest.raises(ssl.SSLCertVerificationError):
            await server.connect(ssl.create_default_context())


async def test_who_never_begins_the_handshake_counts_as_a_connection(trusted: Trusted) -> None:
    before = refused()
    async with serving(ssl_context=trusted.server) as server, silent(server, MOST), silent(server, 1) as [beyond]:
        assert await is_ended(beyond)
        assert not await is_served(server, trusted.client)
    assert refused() == before + 2


async def test_a_handshake_that_is_not_over_in_time_makes_room(
    trusted: Trusted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "HANDSHAKE_SECONDS", 0.05)
    async with serving(ssl_context=trusted.server) as server, silent(server, MOST) as readers:
        assert all([await is_ended(reader) for reader in readers])
        monkeypatch.undo()
        assert await is_served(server, trusted.client)


async def test_a_handshake_that_fails_makes_room(trusted: Trusted) -> None:
    async with serving(ssl_context=trusted.server) as server:
        for _ in range(MOST + 1):
            reader, writer = await server.connect()
            writer.write(GET)
            await is_ended(reader)
            writer.close()
        assert await is_served(server, trusted.client)


async def test_a_handshake_under_way_is_ended_with_the_drain(trusted: Trusted) -> None:
    async with serving(ssl_context=trusted.server) as server, silent(server, 1) as [reader]:
        assert await is_served(server, trusted.client)  # so that the one before it was accepted
        await server.listener.drain(0.01)
        assert await is_ended(reader)


async def test_what_cannot_be_accepted_for_want_of_file_descriptors_is_accepted_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept, wanting = socket.socket.accept, iter([OSError(errno.EMFILE, "Too many open files")])

    def accept_late(listening: socket.socket) -> tuple[socket.socket, object]:
        for error in wanting:
            raise error
        return accept(listening)

    monkeypatch.setattr(acceptor, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(socket.socket, "accept", accept_late)
    async with serving() as server:
        reader, writer = await server.connect()
        writer.write(GET)
        assert (await read_answer(reader))[1] == b"done\n"
        writer.close()
    assert "a connection could not be accepted" in caplog.text
