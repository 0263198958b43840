"""Certificates and connections for the tests of this room."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from certs.authority import CA_LIFETIME, LEAF_LIFETIME, CertificateAuthority, KeyPair
from certs.serving import IDENTITIES

NOW = datetime.now(UTC).replace(microsecond=0)
"""Real, because OpenSSL compares certificates with the machine's clock."""


def authority(*, now: datetime = NOW) -> CertificateAuthority:
    return CertificateAuthority.create("stoker-ca", now=now)


def leaf(
    issuer: CertificateAuthority | None = None, *, now: datetime = NOW, lifetime: timedelta = LEAF_LIFETIME
) -> KeyPair:
    return (issuer or authority()).issue("stoker", now=now, identities=IDENTITIES, lifetime=lifetime)


def foreign(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
    *extensions: x509.ExtensionType,
    name: str = "somebody-elses-ca",
) -> CertificateAuthority:
    """An authority that somebody else made, with these extensions."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW, NOW + CA_LIFETIME)
    for extension in extensions:
        is_critical = not isinstance(extension, x509.SubjectKeyIdentifier)
        builder = builder.add_extension(extension, critical=is_critical)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return CertificateAuthority(_pair(builder.sign(key, algorithm), key))


def intermediate(root: CertificateAuthority) -> CertificateAuthority:
    """An authority whose certificate is signed by another's."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer = serialization.load_pem_private_key(root.pair.key_pem, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("the root's key is not ECDSA")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody-elses-intermediate")])
    certificate = (
        x509.CertificateBuilder(root.pair.certificate.subject, name, key.public_key(), 2, NOW, NOW + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(signer, hashes.SHA256())
    )
    return CertificateAuthority(_pair(certificate, key))


def trusting(ca: CertificateAuthority) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=ca.pair.certificate_pem.decode())


def shown(writer: asyncio.StreamWriter) -> bytes | None:
    """The certificate that the server showed, DER."""
    certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return certificate


def der(pair: KeyPair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.certificate_pem.decode())


def answer_hello(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Let the server answer the client's first message, in memory; SSLError is then what the server complains of."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    with suppress(ssl.SSLWantReadError):
        calling.do_handshake()
    with suppress(ssl.SSLWantReadError):
        answering.do_handshake()
    if not to_client.pending:
        raise AssertionError("the server said nothing")


@asynccontextmanager
async def echo_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A TLS server on loopback that sends every line back; yields its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connection(
    port: int, context: ssl.SSLContext, host: str = "stoker.stoker-system.svc"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


def _pair(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
) -> KeyPair:
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return KeyPair(certificate.public_bytes(pem), key.private_bytes(pem, form, serialization.NoEncryption()))
