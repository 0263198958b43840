"""Connections on their way in: TLS handshakes have a deadline, and count as connections from their first moment."""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from prometheus_client import REGISTRY

from certs.authority import CertificateAuthority, KeyPair
from serving import acceptor
from tests.serving.test_listener import GET, Server, read_answer, serving

MOST = 3
DEADLINE_SECONDS = 10.0
FAILED = "a TLS handshake failed"
NOW = datetime.now(UTC)
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(behaviour: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test of what Stoker itself runs on, and of Python's own: each on a new loop, whose handshakes are its own code.

    pytest-asyncio's way would end the loop of the session, and what other tests share with it.
    """

    @pytest.mark.parametrize("loop", LOOPS)
    def run(loop: str, request: pytest.FixtureRequest) -> None:
        wanted = {name: request.getfixturevalue(name) for name in inspect.signature(behaviour).parameters}
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(behaviour(**wanted))

    return run


class Trusted:
    """A server's context, and one of a client that trusts it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = CertificateAuthority.create("test", now=NOW)
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._load(self.server, self.authority.issue("localhost", now=NOW, identities=["localhost"]))
        self.client = ssl.create_default_context(cadata=self.authority.pair.certificate_pem.decode())

    def demand_certificates(self) -> None:
        self.server.verify_mode = ssl.CERT_REQUIRED
        self.server.load_verify_locations(cadata=self.authority.pair.certificate_pem.decode())

    def show_expired_certificate(self) -> None:
        self._load(self.client, self.authority.issue("scheduler", now=NOW, lifetime=-timedelta(hours=1)))

    def _load(self, context: ssl.SSLContext, pair: KeyPair) -> None:
        certificate, key = self._directory / "tls.crt", self._directory / "tls.key"
        certificate.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)
        context.load_cert_chain(certificate, key)


@pytest.fixture
def trusted(tmp_path: Path) -> Trusted:
    return Trusted(tmp_path)


def refused() -> float:
    return REGISTRY.get_sample_value("stoker_http_connections_refused_total", {"listener": "test"}) or 0.0


def failed(reason: str) -> float:
    labels = {"listener": "test", "reason": reason}
    return REGISTRY.get_sample_value("stoker_tls_handshakes_failed_total", labels) or 0.0


async def is_served(server: Server, context: ssl.SSLContext | None = None) -> bool:
    """Whether an honest client gets its answer; OSError or TimeoutError where it is not let in."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await server.connect(context)
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


async def is_turned_away(trusted: Trusted) -> bool:
    """Whether the server refuses the client's handshake, which TLS 1.3 tells a client only after its own part."""
    async with serving(ssl_context=trusted.server) as server:
        try:
            reader, writer = await server.connect(trusted.client)
            try:
                return await reader.read() == b""
            finally:
                writer.close()
        except OSError:
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


@on_both_loops
async def test_tls_is_served_to_those_who_trust_the_authority(trusted: Trusted) -> None:
    async with serving(ssl_context=trusted.server) as server:
        assert await is_served(server, trusted.client)
        with pytest.raises(ssl.SSLCertVerificationError):
            await server.connect(ssl.create_default_context())


@on_both_loops
async def test_who_never_begin_their_handshake_keep_no_honest_client_out(
    trusted: Trusted, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = refused()
    monkeypatch.setattr(acceptor, "HANDSHAKE_SECONDS", 3600.0)  # so that none ends for lateness
    async with serving(ssl_context=trusted.server) as server, silent(server, MOST) as [oldest, *_]:
        assert await is_served(server, trusted.client)
        assert await is_ended(oldest)
    assert refused() == before + 1


@on_both_loops
async def test_who_has_finished_its_handshake_never_makes_room(trusted: Trusted) -> None:
    async with serving(ssl_context=trusted.server) as server:
        kept = [await server.connect(trusted.client) for _ in range(MOST)]
        for reader, writer in kept:
            writer.write(GET)
            await read_answer(reader)
        async with silent(server, 1) as [newcomer]:
            assert await is_ended(newcomer)
        for reader, writer in kept:
            writer.write(GET)
            assert (await read_answer(reader))[1] == b"done\n"
            writer.close()


@on_both_loops
async def test_a_handshake_that_is_not_over_in_time_makes_room(
    trusted: Trusted, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = failed("timeout")
    monkeypatch.setattr(acceptor, "HANDSHAKE_SECONDS", 0.05)
    async with serving(ssl_context=trusted.server) as server, silent(server, MOST) as readers:
        assert all([await is_ended(reader) for reader in readers])
        monkeypatch.undo()
        assert await is_served(server, trusted.client)
    assert failed("timeout") == before + MOST


@on_both_loops
async def test_a_handshake_that_fails_makes_room(trusted: Trusted) -> None:
    before = failed("tls")
    async with serving(ssl_context=trusted.server) as server:
        for _ in range(MOST + 1):
            reader, writer = await server.connect()
            writer.write(GET)
            await is_ended(reader)
            writer.close()
        assert await is_served(server, trusted.client)
    assert failed("tls") == before + MOST + 1


@on_both_loops
async def test_a_client_whose_certificate_has_expired_leaves_a_count_and_a_line(
    trusted: Trusted, caplog: pytest.LogCaptureFixture
) -> None:
    before = failed("certificate")
    trusted.demand_certificates()
    trusted.show_expired_certificate()
    with caplog.at_level(logging.DEBUG, "serving.acceptor"):
        assert await is_turned_away(trusted)
    assert failed("certificate") == before + 1
    [fields] = [record.__dict__["fields"] for record in caplog.records if record.message == FAILED]
    assert fields["peer"] == "127.0.0.1"
    assert "certificate has expired" in str(fields["why"])


@on_both_loops
async def test_a_client_that_shows_no_certificate_counts_as_one_with_a_bad_one(trusted: Trusted) -> None:
    before = failed("certificate")
    trusted.demand_certificates()
    assert await is_turned_away(trusted)
    assert failed("certificate") == before + 1


@on_both_loops
async def test_a_client_that_goes_away_in_its_handshake_is_counted(trusted: Trusted) -> None:
    before = failed("other")
    async with serving(ssl_context=trusted.server) as server, silent(server, 1):
        assert await is_served(server, trusted.client)  # so that the one before it was accepted
    assert failed("other") == before + 1


@on_both_loops
async def test_a_defect_in_a_handshake_is_an_error_of_the_log_and_the_next_is_served(
    trusted: Trusted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = failed("other")
    monkeypatch.setattr(acceptor, "HANDSHAKE_SECONDS", -1.0)  # which event loops refuse by ValueError
    async with serving(ssl_context=trusted.server) as server, silent(server, 1) as [reader]:
        assert await is_ended(reader)
        monkeypatch.undo()
        assert await is_served(server, trusted.client)
    assert failed("other") == before + 1
    assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", FAILED)]


@on_both_loops
async def test_a_handshake_under_way_is_ended_with_the_drain(trusted: Trusted) -> None:
    async with serving(ssl_context=trusted.server) as server, silent(server, 1) as [reader]:
        assert await is_served(server, trusted.client)  # so that the one before it was accepted
        await server.listener.drain(0.01)
        assert await is_ended(reader)


def let_accept_fail(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    """Once, then it is what it was."""
    accept, wanting = socket.socket.accept, iter([error])

    def accept_late(listening: socket.socket) -> tuple[socket.socket, object]:
        for error in wanting:
            raise error
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", accept_late)


@on_both_loops
async def test_what_cannot_be_accepted_for_want_of_file_descriptors_is_accepted_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceptor, "PAUSE_SECONDS", 0.01)
    let_accept_fail(monkeypatch, OSError(errno.EMFILE, "Too many open files"))
    async with serving() as server:
        assert await is_served(server)
    assert "a connection could not be accepted" in caplog.text


@on_both_loops
async def test_an_error_of_one_connection_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(acceptor, "PAUSE_SECONDS", 3600.0)
    let_accept_fail(monkeypatch, OSError(errno.EHOSTUNREACH, "No route to host"))
    async with serving() as server:
        assert await is_served(server)
    assert not caplog.records
