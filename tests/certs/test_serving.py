from __future__ import annotations

import ssl
import sys
import tempfile
from pathlib import Path

import pytest

from certs.authority import KeyPair
from certs.serving import IDENTITIES, ServingTls
from model.errors import CertificateError
from tests.certs.builders import answer_hello, authority, connection, der, echo_server, leaf, shown, trusting


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


def test_without_a_certificate_the_server_ends_the_handshake() -> None:
    with pytest.raises(ssl.SSLError, match=r"NO_SHARED_CIPHER|NO_SUITABLE"):
        answer_hello(ServingTls().context, trusting(authority()))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_the_server_refuses_tls_1_1_and_takes_1_2() -> None:
    ca, tls = authority(), ServingTls()
    tls.serve(leaf(ca))
    old = trusting(ca)
    old.set_ciphers("ALL:@SECLEVEL=0")  # today's OpenSSL does not even offer TLS 1.1 otherwise
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2
    answer_hello(tls.context, old)
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        answer_hello(tls.context, old)


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
    monkeypatch.setattr(sys, "platform", "darwin")
    ServingTls().serve(leaf())
    assert list(tmp_path.iterdir()) == []
