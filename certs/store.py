"""The CA's home: the Secret `stoker-ca` in `stoker-system`, shared by all replicas.

`tls.crt` and `tls.key` are the authority that signs; `ca.crt` is the bundle that clients are to trust. The two are
apart because the bundle may hold more than the signing authority: the one before it, or the one after it.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certs.authority import BACKDATE, CertificateAuthority, KeyPair
from cluster.client import ApiClient
from model import names
from model.errors import CertificateError, Conflict, NotFound

COMMON_NAME: Final = "stoker-ca"
BUNDLE_KEY: Final = "ca.crt"
CERTIFICATE_KEY: Final = "tls.crt"
PRIVATE_KEY_KEY: Final = "tls.key"

_SECRETS: Final = f"/api/v1/namespaces/{names.NAMESPACE}/secrets"
_WHERE: Final = f"Secret {names.NAMESPACE}/{names.CA_SECRET}"
_REMEDY: Final = (
    f"delete it (kubectl -n {names.NAMESPACE} delete secret {names.CA_SECRET}) and Stoker makes another"
    " and publishes it within a minute"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredAuthority:
    """What the Secret holds."""

    authority: CertificateAuthority
    bundle_pem: bytes
    """One or more CA certificates that clients are to trust; the signing one is among them."""

    @property
    def certificate(self) -> x509.Certificate:
        return self.authority.pair.certificate


class AuthorityStore:
    """Reads the CA Secret, and makes it where there is none."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def read(self) -> StoredAuthority | None:
        """The authority, whatever its age; None where there is no Secret; CertificateError where it is malformed."""
        try:
            secret = await self._client.get(f"{_SECRETS}/{names.CA_SECRET}")
        except NotFound:
            return None
        return parse_secret(secret)

    async def ensure(self, now: datetime) -> StoredAuthority:
        """The authority all replicas share, made by whichever comes first.

        CertificateError where the Secret is malformed or its certificate is not valid at `now`: another authority is
        not made silently in its place, since somebody may have put it there.
        """
        stored = await self.read()
        if stored is None:
            stored = await self._create(now)
        validate(stored, now)
        return stored

    async def _create(self, now: datetime) -> StoredAuthority:
        authority = CertificateAuthority.create(COMMON_NAME, now=now)
        stored = StoredAuthority(authority, authority.pair.certificate_pem)
        try:
            await self._client.create(_SECRETS, build_secret(stored))
        except Conflict as conflict:
            _log.info("another replica made the CA in %s first; using that one", _WHERE)
            if (other := await self.read()) is None:
                raise CertificateError(f"{_WHERE} existed and is gone again; it is tried again") from conflict
            return other
        _log.info("made a CA in %s, valid until %s", _WHERE, stored.authority.pair.expires.isoformat())
        return stored


def build_secret(stored: StoredAuthority) -> dict[str, Any]:
    """The Secret that holds `stored`."""
    data = {
        BUNDLE_KEY: stored.bundle_pem,
        CERTIFICATE_KEY: stored.authority.pair.certificate_pem,
        PRIVATE_KEY_KEY: stored.authority.pair.key_pem,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": names.CA_SECRET,
            "namespace": names.NAMESPACE,
            "labels": {"app.kubernetes.io/name": "stoker", "app.kubernetes.io/managed-by": "stoker"},
        },
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def parse_secret(secret: Mapping[str, Any]) -> StoredAuthority:
    """The reverse of `build_secret`; CertificateError says which key is wrong and what to do."""
    data = secret.get("data") or {}
    pair = KeyPair(_decode(data, CERTIFICATE_KEY), _decode(data, PRIVATE_KEY_KEY))
    stored = StoredAuthority(CertificateAuthority(pair), _decode(data, BUNDLE_KEY))
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate_pem)
        key = serialization.load_pem_private_key(pair.key_pem, password=None)
        bundle = x509.load_pem_x509_certificates(stored.bundle_pem)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{_WHERE} holds something else than PEM certificates and a key; {_REMEDY}") from error
    if key.public_key() != certificate.public_key():
        raise CertificateError(f"{_WHERE}: {PRIVATE_KEY_KEY} is not the key of {CERTIFICATE_KEY}; {_REMEDY}")
    if certificate not in bundle:
        raise CertificateError(f"{_WHERE}: {BUNDLE_KEY} does not contain {CERTIFICATE_KEY}; {_REMEDY}")
    return stored


def validate(stored: StoredAuthority, now: datetime) -> None:
    """CertificateError where nothing signed by the authority would be believed at `now`.

    A certificate from a replica whose clock is ahead of ours by no more than authorities are backdated is accepted.
    """
    certificate = stored.certificate
    if now >= certificate.not_valid_after_utc:
        raise CertificateError(f"{_WHERE}: the CA expired at {certificate.not_valid_after_utc.isoformat()}; {_REMEDY}")
    if now < certificate.not_valid_before_utc - BACKDATE:
        raise CertificateError(
            f"{_WHERE}: the CA is not valid before {certificate.not_valid_before_utc.isoformat()}, and this machine's"
            f" clock says {now.isoformat()}; set the clock, or {_REMEDY}"
        )


def _decode(data: Mapping[str, Any], key: str) -> bytes:
    value = data.get(key)
    if not value:
        raise CertificateError(f"{_WHERE} has no {key}; {_REMEDY}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise CertificateError(f"{_WHERE}: {key} is not base64; {_REMEDY}") from error
