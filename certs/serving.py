"""The TLS side of our servers: one `ssl.SSLContext` for the life of the process, whose certificate is exchanged.

OpenSSL reads the certificate of a context when a handshake begins, so an exchange is for new connections; open ones
go on undisturbed with the one they began with.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
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
    """A server's TLS context. Handshakes fail until the first `serve`."""

    def __init__(self) -> None:
        self.context = _server_context()
        self._pair: KeyPair | None = None

    @property
    def pair(self) -> KeyPair | None:
        """What new connections are shown."""
        return self._pair

    def serve(self, pair: KeyPair) -> None:
        """Show `pair` to every connection from now on; CertificateError, and the old one stays, if it cannot be used.

        The key goes to OpenSSL by way of memory: OpenSSL takes none but files.
        """
        with _as_file(pair) as path:
            _load(_server_context(), path)  # a pair that does not match would leave the live context half exchanged
            _load(self.context, path)
        self._pair = pair


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
    """A path under which OpenSSL can read certificate and key; on Linux it leads to anonymous memory."""
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
