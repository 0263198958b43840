from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import pytest

from certs import serving
from certs.authority import KeyPair
from certs.serving import IDENTITIES, ServingTls
from model.errors import CertificateError
from tests.certs.builders import authority, connection, der, echo_server, leaf, shown, trusting


@pytest.mark.parametrize("host", IDENTITIES)
async def test_a_client_that_trusts_the_authority_reaches_every_identity(host: str) -> None:
    ca, tls = authority(), ServingTls()
    tls.serve(leaf(ca))
    async with echo_server(tls.context) as port, connection(port, trusting(ca), host) as (reader, writer):
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"


async def test_a_name_that_is_not_in_the_certificate_is_refused_by_the_client() -> None:
    ca, tls = authority(), ServingTls()
    tls.serve(leaf(ca))
    async with echo_server(tls.context) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            async with connection(port, trusting(ca), "stoker.another-namespace.svc"):
                pass


async def test_another_authority_of_the_same_name_is_refused_by_the_client() -> None:
    tls = ServingTls()
    tls.serve(leaf(authority()))
    async with echo_server(tls.context) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with connection(port, trusting(authority())):
                pass


async def test_without_a_certificate_every_handshake_fails() -> None:
    async with echo_server(ServingTls().context) as port:
        with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
            async with connection(port, trusting(authority())):
                pass


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_refused_by_the_server() -> None:
    ca, tls = authority(), ServingTls()
    tls.serve(leaf(ca))
    old = trusting(ca)
    old.set_ciphers("ALL:@SECLEVEL=0")  # today's OpenSSL does not even offer TLS 1.1 otherwise
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with echo_server(tls.context) as port:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            async with connection(port, old):
                pass


async def test_an_exchange_leaves_open_connections_alone_and_is_shown_to_new_ones() -> None:
    ca, tls = authority(), ServingTls()
    before, after = leaf(ca), leaf(ca)
    tls.serve(before)
    async with echo_server(tls.context) as port, connection(port, trusting(ca)) as (old_reader, old_writer):
        tls.serve(after)
        async with connection(port, trusting(ca)) as (_, new_writer):
            assert shown(new_writer) == der(after)
        old_writer.write(b"still here\n")
        assert await old_reader.readline() == b"still here\n"
        assert shown(old_writer) == der(before)


async def test_a_resumed_session_survives_the_exchange_of_the_authority() -> None:
    old_ca, new_ca, tls = authority(), authority(), ServingTls()
    both = trusting(old_ca)
    both.load_verify_locations(cadata=new_ca.pair.certificate_pem.decode())
    tls.serve(leaf(old_ca))
    async with echo_server(tls.context) as port:
        async with connection(port, both) as (_, writer):
            assert shown(writer) is not None
        after = leaf(new_ca)
        tls.serve(after)
        async with connection(port, both) as (_, writer):
            assert shown(writer) == der(after)


async def test_a_key_of_another_certificate_is_refused_and_the_old_pair_stays() -> None:
    ca, tls = authority(), ServingTls()
    good, other = leaf(ca), leaf(ca)
    tls.serve(good)
    with pytest.raises(CertificateError, match="cannot be served together"):
        tls.serve(KeyPair(other.certificate_pem, good.key_pem))
    assert tls.pair == good
    async with echo_server(tls.context) as port, connection(port, trusting(ca)) as (_, writer):
        assert shown(writer) == der(good)


def test_no_directory_is_needed_for_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    tls = ServingTls()
    tls.serve(leaf())
    assert tls.pair is not None


def test_elsewhere_than_on_linux_nothing_stays_on_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(serving.sys, "platform", "darwin")
    ServingTls().serve(leaf())
    assert list(tmp_path.iterdir()) == []
