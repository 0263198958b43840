"""The serving process's certificates, as its command line asks for them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from model.errors import InvalidInput

if TYPE_CHECKING:
    from certs.keeper import CertificateKeeper
    from certs.serving import ServingTls
    from certs.sources import CertificateSource
    from cluster.client import ApiClient

WITHDRAWAL_SECONDS: Final = 3.0

MOUNTED: Final = Path("/etc/stoker/tls")
"""Where manifests/cert-manager mounts the Secret that cert-manager keeps."""

log = logging.getLogger("stoker")


class Certificates(StrEnum):
    """Who keeps the certificates, and the caBundle with them."""

    SELF = "self"
    CERT_MANAGER = "cert-manager"
    FILES = "files"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate that somebody else keeps."""

    certificate: Path
    key: Path
    client_ca: Path | None


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How connections are secured where they are."""

    files: TlsFiles | None
    """None: self-managed."""

    verify_webhook_clients: bool
    check_seconds: float

    @property
    def knows_clients(self) -> bool:
        """Whether there is a CA by which clients can be verified."""
        return self.files is None or self.files.client_ca is not None


def tls_files(
    mode: Certificates | None, certificate: Path | None, key: Path | None, client_ca: Path | None
) -> TlsFiles | None:
    """None for self-managed certificates; InvalidInput where the options contradict each other."""
    if (certificate is None) != (key is None):
        raise InvalidInput("--tls-cert-file and --tls-key-file go together; give both or neither")
    if mode is None:
        mode = Certificates.SELF if certificate is None else Certificates.FILES
    if mode is Certificates.SELF:
        if certificate is not None or client_ca is not None:
            raise InvalidInput("self-managed certificates need no files; leave --certificates=self or the files out")
        return None
    if mode is Certificates.CERT_MANAGER:
        certificate, key = certificate or MOUNTED / "tls.crt", key or MOUNTED / "tls.key"
        client_ca = client_ca or MOUNTED / "ca.crt"
    if certificate is None or key is None:
        raise InvalidInput("--certificates=files needs --tls-cert-file and --tls-key-file")
    return TlsFiles(certificate, key, client_ca)


async def withdraw(source: CertificateSource) -> None:
    """An API server that does not answer may not hold up the end."""
    try:
        async with asyncio.timeout(WITHDRAWAL_SECONDS):
            await source.withdraw()
    except TimeoutError:
        log.warning("the other replicas were not told that this one ends; it counts as gone in a few minutes")


def keep_certificates(
    options: TlsOptions, client: ApiClient
) -> tuple[ServingTls, CertificateKeeper, CertificateSource]:
    """What is served, the loop that keeps it, and where it comes from."""
    from certs.keeper import CertificateKeeper
    from certs.serving import ServingTls
    from certs.sources import Files, SelfManaged

    tls = ServingTls()
    source: CertificateSource
    if options.files is None:
        source = SelfManaged(client, tls, check_seconds=options.check_seconds)
    else:
        source = Files(options.files.certificate, options.files.key, tls, client_ca=options.files.client_ca)
    return tls, CertificateKeeper(source, tls, clock=lambda: datetime.now(UTC)), source
