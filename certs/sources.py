"""Where the serving certificate comes from: signed by our own CA, or read from files that somebody else keeps."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from certs import metrics
from certs.authority import KeyPair
from certs.injection import BundleInjector, Injection
from certs.renewal import is_due
from certs.serving import IDENTITIES, ServingTls
from certs.store import AuthorityStore
from cluster.client import ApiClient
from model import names
from model.errors import CertificateError

CHECK_SECONDS: Final = 30.0
"""A deleted Secret or a caBundle that somebody overwrote is noticed within this time; it costs two small reads."""

INSTALLATION_CHECK_SECONDS: Final = 5.0
"""The same as long as there is no webhook configuration, so that an installation is complete soon."""

FILES_CHECK_SECONDS: Final = 10.0
"""A mounted Secret is renewed by the kubelet about once a minute anyway."""

_log = logging.getLogger(__name__)


class CertificateSource(Protocol):
    """One round at a time; the keeper repeats them."""

    async def refresh(self, now: datetime) -> float:
        """Bring everything up to date; return the seconds until the next look. Raises StokerError where that failed."""
        ...


class SelfManaged:
    """The CA from its Secret, a leaf of this replica's own in memory, the bundle in the webhook configuration."""

    def __init__(self, client: ApiClient, tls: ServingTls, *, extra_identities: Sequence[str] = ()) -> None:
        """`extra_identities` are further DNS names and addresses under which this replica is reached."""
        self._store = AuthorityStore(client)
        self._injector = BundleInjector(client)
        self._tls = tls
        self._identities = tuple(dict.fromkeys((*IDENTITIES, *extra_identities)))

    async def refresh(self, now: datetime) -> float:
        stored = await self._store.ensure(now)
        metrics.EXPIRY.labels("ca").set(stored.authority.pair.expires.timestamp())
        if is_due(self._tls.pair, stored.certificate, now):
            leaf = stored.authority.issue(names.SERVICE, now=now, identities=self._identities)
            _put_into_service(leaf, self._tls)
        injection = await self._injector.inject(stored.bundle_pem)
        if injection is Injection.WRITTEN:
            metrics.BUNDLE_WRITES.inc()
        return INSTALLATION_CHECK_SECONDS if injection is Injection.ABSENT else CHECK_SECONDS


class Files:
    """A certificate and its key in two files, read again and again.

    Contents are compared, not times: the kubelet exchanges mounted files by a symlink, and times may stay the same.
    """

    def __init__(self, certificate: Path, key: Path, tls: ServingTls) -> None:
        self._certificate = certificate
        self._key = key
        self._tls = tls

    async def refresh(self, now: datetime) -> float:
        """CertificateError, and the old pair stays, where the files cannot be read or do not (yet) match."""
        pair = self._read()
        if pair != self._tls.pair:
            if now >= pair.expires:
                _log.warning("%s expired at %s; it is served all the same", self._certificate, pair.expires)
            try:
                _put_into_service(pair, self._tls)
            except CertificateError as error:
                raise CertificateError(f"{self._certificate} and {self._key}: {error}; mend the files") from error
        return FILES_CHECK_SECONDS

    def _read(self) -> KeyPair:
        try:
            pair = KeyPair(self._certificate.read_bytes(), self._key.read_bytes())
        except OSError as error:
            raise CertificateError(
                f"{error.filename} cannot be read ({error.strerror}); check --tls-cert-file and --tls-key-file"
            ) from error
        try:
            pair.certificate  # noqa: B018 - it is read to see whether it can be
        except CertificateError as error:
            raise CertificateError(f"{self._certificate}: {error}; mend the file") from error
        return pair


def _put_into_service(pair: KeyPair, tls: ServingTls) -> None:
    tls.serve(pair)
    metrics.RENEWALS.inc()
    metrics.EXPIRY.labels("leaf").set(pair.expires.timestamp())
    _log.info("serving a certificate that is valid until %s", pair.expires.isoformat())
