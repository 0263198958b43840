"""The TLS side of our servers: contexts for the life of the process, whose certificate and trust are exchanged.

A handshake takes what it finds when it begins, so an exchange is for new connections; open ones go on undisturbed with
what they began with. A context that demands client certificates has to be a new one with every exchange, since OpenSSL
can add authorities to one but not take any away: the lasting context hands each handshake to the latest.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from certs.authority import KeyPair
from model import names
from model.errors import CertificateError

IDENTITIES: tuple[str, ...] = (
    names.SERVICE,
    f"{names.SERVICE}.{names.NAMESPACE}",
    f"{names.SERVICE}.{names.NAMESPACE}.svc",
    f"{names.SERVICE}.{names.NAMESPACE}.svc.cluster.local",
    "localhost",
    "127.0.0.1",
)
"""Whom our certificates stand for: the API server asks for the third, a scheduler for any of them."""


class ServingTls:
    """What a server shows, and whom it lets in. Handshakes fail until the first `serve`."""

    def __init__(self) -> None:
        self.context = _server_context()
        """Lets in whoever comes."""

        self.mutual_context = _handing_over(self._current)
        """Lets in whoever has a client certificate of an authority that is trusted; nobody until `trust`."""

        self._pair: KeyPair | None = None
        self._clients_pem = b""
        self._mutual: ssl.SSLContext | None = None

    @property
    def pair(self) -> KeyPair | None:
        """What new connections are shown."""
        return self._pair

    def serve(self, pair: KeyPair) -> None:
        """Show `pair` to every new connection; CertificateError, and the old one stays, if it cannot be used."""
        mutual = _mutual_context(pair, self._clients_pem)  # which also tells whether the pair matches
        with _as_file(pair) as path:
            _load(self.context, path)
        self._pair, self._mutual = pair, mutual

    def trust(self, clients_pem: bytes) -> None:
        """Let in clients of these authorities, and of no others any more; CertificateError where they are not PEM."""
        if clients_pem == self._clients_pem:
            return
        if self._pair is not None:
            self._mutual = _mutual_context(self._pair, clients_pem)
        self._clients_pem = clients_pem

    def _current(self) -> ssl.SSLContext | None:
        return self._mutual


def _handing_over(current: Callable[[], ssl.SSLContext | None]) -> ssl.SSLContext:
    """A context that demands a client certificate, trusts nobody, and leaves each handshake to the `current` one."""

    def hand_over(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        successor = current()
        if successor is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = successor
        return None

    context = _server_context()
    # OpenSSL asks the first context for these two, and the second for the trust.
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate CA may be trusted without its root
    # A resumed session would let in a client whose authority is trusted no more.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.sni_callback = hand_over  # it is called for clients that name no server as well
    return context


def _mutual_context(pair: KeyPair, clients_pem: bytes) -> ssl.SSLContext | None:
    """None where no clients are to be trusted yet; the pair is tried all the same."""
    context = _server_context()
    with _as_file(pair) as path:
        _load(context, path)
    if not clients_pem:
        return None
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(cadata=clients_pem.decode())
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(f"the authorities of clients cannot be used: {error}") from error
    return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, path: str) -> None:
    try:
        context.load_cert_chain(path, password="")  # without a password OpenSSL would ask the terminal for one
    except (ssl.SSLError, OSError, ValueError) as error:
        raise CertificateError(f"the certificate and its key cannot be served together: {error}") from error


@contextmanager
def _as_file(pair: KeyPair) -> Iterator[str]:
    """A path under which OpenSSL can read certificate and key (it takes none but files); on Linux, anonymous memory."""
    content = pair.key_pem.rstrip() + b"\n" + pair.certificate_pem
    if sys.platform == "linux":
        descriptor = os.memfd_create("stoker-certificate", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as memory:
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        with tempfile.TemporaryDirectory(prefix="stoker-") as directory:  # only its owner can enter it
            path = Path(directory) / "pair.pem"
            path.write_bytes(content)
            yield str(path)
