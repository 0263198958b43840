"""Handshakes in which the client has to show a certificate, and those that must fail."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from certs.authority import CertificateAuthority, KeyPair
from certs.serving import ServingTls
from model.errors import CertificateError
from tests.certs.builders import NOW, authority, connection, echo_server, leaf, trusting


def client_of(
    ca: CertificateAuthority, directory: Path, *, trusts: CertificateAuthority | None = None
) -> ssl.SSLContext:
    """A client with a certificate of `ca`, that trusts the servers of `trusts` (or of the same)."""
    return showing(ca.issue("stoker-scheduler", now=NOW), trusting(trusts or ca), directory)


def showing(pair: KeyPair, context: ssl.SSLContext, directory: Path) -> ssl.SSLContext:
    path = directory / "client.pem"
    path.write_bytes(pair.key_pem + pair.certificate_pem)
    context.load_cert_chain(path)
    return context


def demanding(ca: CertificateAuthority) -> ServingTls:
    tls = ServingTls()
    tls.serve(leaf(ca))
    tls.trust(ca.pair.certificate_pem)
    return tls


async def answered(tls: ServingTls, client: ssl.SSLContext, host: str = "stoker.stoker-system.svc") -> bool:
    """Whether a line comes back. With TLS 1.3 a client learns only by reading that it was turned away."""
    async with echo_server(tls.mutual_context) as port:
        try:
            async with connection(port, client, host) as (reader, writer):
                writer.write(b"hello\n")
                return await reader.readline() == b"hello\n"
        except (ssl.SSLError, ConnectionError):
            return False


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_of_the_trusted_authority_is_answered(tmp_path: Path, version: ssl.TLSVersion) -> None:
    ca = authority()
    client = client_of(ca, tmp_path)
    client.minimum_version = client.maximum_version = version
    assert await answered(demanding(ca), client)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_without_a_certificate_is_not_answered(version: ssl.TLSVersion) -> None:
    ca = authority()
    client = trusting(ca)
    client.minimum_version = client.maximum_version = version
    assert not await answered(demanding(ca), client)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_of_another_authority_of_the_same_name_is_not_answered(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    ca = authority()
    client = client_of(authority(), tmp_path, trusts=ca)
    client.minimum_version = client.maximum_version = version
    assert not await answered(demanding(ca), client)


async def test_a_client_whose_certificate_has_expired_is_not_answered(tmp_path: Path) -> None:
    ca = authority(now=NOW - timedelta(days=2))
    old = ca.issue("stoker-scheduler", now=NOW - timedelta(days=1), lifetime=timedelta(hours=1))
    assert not await answered(demanding(ca), showing(old, trusting(ca), tmp_path))


async def test_a_client_that_expects_another_host_does_not_go_on(tmp_path: Path) -> None:
    ca = authority()
    assert not await answered(demanding(ca), client_of(ca, tmp_path), "stoker.another-namespace.svc")


async def test_nobody_is_answered_before_anybody_is_trusted(tmp_path: Path) -> None:
    ca, tls = authority(), ServingTls()
    tls.serve(leaf(ca))
    assert not await answered(tls, client_of(ca, tmp_path))


async def test_through_a_rollover_clients_of_both_authorities_are_answered_and_then_those_of_the_new_one(
    tmp_path: Path,
) -> None:
    old, new = authority(), authority()
    tls = demanding(old)
    both = old.pair.certificate_pem + new.pair.certificate_pem
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    tls.trust(both)
    tls.serve(leaf(new))
    assert await answered(tls, client_of(old, tmp_path / "old", trusts=new))
    assert await answered(tls, client_of(new, tmp_path / "new"))
    tls.trust(new.pair.certificate_pem)
    assert not await answered(tls, client_of(old, tmp_path / "old", trusts=new))
    assert await answered(tls, client_of(new, tmp_path / "new"))


async def test_a_session_cannot_be_resumed_past_the_end_of_its_authority(tmp_path: Path) -> None:
    old, new = authority(), authority()
    tls = demanding(old)
    client = client_of(old, tmp_path)
    client.load_verify_locations(cadata=new.pair.certificate_pem.decode())
    async with echo_server(tls.mutual_context) as port, connection(port, client) as (reader, writer):
        writer.write(b"hello\n")
        await reader.readline()
        session = writer.get_extra_info("ssl_object").session
        assert session is None or not session.has_ticket


async def test_an_exchange_leaves_open_connections_alone(tmp_path: Path) -> None:
    old, new = authority(), authority()
    tls = demanding(old)
    async with (
        echo_server(tls.mutual_context) as port,
        connection(port, client_of(old, tmp_path)) as (reader, writer),
    ):
        writer.write(b"first\n")
        assert await reader.readline() == b"first\n"
        tls.serve(leaf(new))
        tls.trust(new.pair.certificate_pem)
        writer.write(b"second\n")
        assert await reader.readline() == b"second\n"


async def test_authorities_that_are_none_are_refused_and_the_old_ones_stay(tmp_path: Path) -> None:
    ca = authority()
    tls = demanding(ca)
    with pytest.raises(CertificateError, match="the authorities of clients cannot be used"):
        tls.trust(b"nonsense")
    assert await answered(tls, client_of(ca, tmp_path))
