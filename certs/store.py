"""The CA's home: the Secret `stoker-ca` in `stoker-system`, shared by all replicas.

`tls.crt` and `tls.key` are the authority that signs; `ca.crt` is the bundle that clients are to trust. The two are
apart because during a rollover the bundle holds two: the signing authority, and the one after or before it. `next.crt`
and `next.key` are the one after. Two annotations carry the rest of a rollover's state (`certs/rollover.py`).
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
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from certs.authority import CertificateAuthority, KeyPair, SigningKey, may_sign
from cluster.client import ApiClient
from model import names
from model.errors import CertificateError, Conflict, NotFound, SpoiltSecret

FIELD_MANAGER: Final = "stoker-certs"
COMMON_NAME: Final = "stoker-ca"
BUNDLE_KEY: Final = "ca.crt"
CERTIFICATE_KEY: Final = "tls.crt"
PRIVATE_KEY_KEY: Final = "tls.key"
NEXT_CERTIFICATE_KEY: Final = "next.crt"
NEXT_PRIVATE_KEY_KEY: Final = "next.key"

DEFAULT_WAIT_SECONDS: Final = 900
"""Between publishing the next CA and using it. API servers follow the webhook configuration by a watch, in well under a
second; five minutes are for one whose watch is broken, and ten for two replicas whose clocks differ by that much."""

_SECRETS: Final = f"/api/v1/namespaces/{names.NAMESPACE}/secrets"
_WHERE: Final = f"Secret {names.NAMESPACE}/{names.CA_SECRET}"
_REMEDY: Final = (
    f"delete it (kubectl -n {names.NAMESPACE} delete secret {names.CA_SECRET}) and Stoker makes another"
    " and publishes it within a minute"
)

_NOT_PEM: Final = f"holds something else than PEM certificates and a key; {_REMEDY}"
_WRONG_KEY: Final = f"is neither an ECDSA nor an RSA key; put a CA with one of these there, or {_REMEDY}"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredAuthority:
    """What the Secret holds."""

    authority: CertificateAuthority
    bundle_pem: bytes
    """One or more CA certificates that clients are to trust; the signing one is among them."""

    next: CertificateAuthority | None = None
    """The authority that will sign after this one; it is in the bundle already."""

    wait_seconds: int | None = None
    """How long the next authority is to be published before it signs; without a next one: a rollover is asked for."""

    switch_after: datetime | None = None
    """When the next authority may sign."""

    version: str = ""
    """The Secret's resourceVersion; empty before it was written."""

    @property
    def certificate(self) -> x509.Certificate:
        return self.authority.pair.certificate


class AuthorityStore:
    """Reads the CA Secret, and makes it where there is none."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def read(self) -> StoredAuthority | None:
        """The authority, whatever its age; None where there is no Secret; SpoiltSecret where it is malformed."""
        try:
            secret = await self._client.get(f"{_SECRETS}/{names.CA_SECRET}")
        except NotFound:
            return None
        try:
            return parse_secret(secret)
        except CertificateError as error:
            raise SpoiltSecret(str(error)) from error

    async def ensure(self, now: datetime) -> StoredAuthority:
        """The authority all replicas share, made by whichever comes first.

        SpoiltSecret where the Secret is malformed, CertificateError where its certificate is not valid at `now`:
        another authority is not made silently in its place, since somebody may have put it there.
        """
        stored = await self.read()
        if stored is None:
            stored = await self._create(now)
        validate(stored, now)
        return stored

    async def replace(self, stored: StoredAuthority) -> None:
        """Write `stored` over the version that it was made from; Conflict where somebody wrote since."""
        await self._client.patch(f"{_SECRETS}/{names.CA_SECRET}", build_patch(stored), fieldManager=FIELD_MANAGER)

    async def _create(self, now: datetime) -> StoredAuthority:
        authority = CertificateAuthority.create(COMMON_NAME, now=now)
        stored = StoredAuthority(authority, authority.pair.certificate_pem)
        try:
            created = await self._client.create(_SECRETS, build_secret(stored))
        except Conflict as conflict:
            _log.info("another replica made the CA in %s first; using that one", _WHERE)
            if (other := await self.read()) is None:
                raise CertificateError(f"{_WHERE} existed and is gone again; it is tried again") from conflict
            return other
        _log.info("made a CA in %s, valid until %s", _WHERE, stored.authority.pair.expires.isoformat())
        return parse_secret(created)


def build_secret(stored: StoredAuthority) -> dict[str, Any]:
    """The Secret that holds `stored`, to be created."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {
            "name": names.CA_SECRET,
            "namespace": names.NAMESPACE,
            "labels": {"app.kubernetes.io/name": "stoker", "app.kubernetes.io/managed-by": "stoker"},
            "annotations": {key: value for key, value in _annotations(stored).items() if value is not None},
        },
        "data": {key: value for key, value in _data(stored).items() if value is not None},
    }


def build_patch(stored: StoredAuthority) -> dict[str, Any]:
    """A merge patch that makes the Secret hold `stored`, with the version as precondition."""
    return {
        "metadata": {"resourceVersion": stored.version, "annotations": _annotations(stored)},
        "data": _data(stored),
    }


def parse_secret(secret: Mapping[str, Any]) -> StoredAuthority:
    """The reverse of `build_secret`; CertificateError says which key is wrong and what to do.

    What belongs to a rollover is left out where it cannot be read: a mistake in it must not keep a replica from
    serving, and the rollover begins its step again.
    """
    data, metadata = secret.get("data") or {}, secret.get("metadata") or {}
    authority = _parse_authority(data, CERTIFICATE_KEY, PRIVATE_KEY_KEY)
    bundle_pem = _decode(data, BUNDLE_KEY)
    bundle = split_bundle(bundle_pem)
    if authority.pair.certificate not in bundle:
        raise CertificateError(f"{_WHERE}: {BUNDLE_KEY} does not contain {CERTIFICATE_KEY}; {_REMEDY}")
    annotations = metadata.get("annotations") or {}
    return StoredAuthority(
        authority,
        bundle_pem,
        next=_parse_next(data, bundle),
        wait_seconds=_parse_wait(annotations.get(names.ROLLOVER_WAIT_ANNOTATION)),
        switch_after=_parse_instant(annotations.get(names.SWITCH_AFTER_ANNOTATION)),
        version=metadata.get("resourceVersion", ""),
    )


def split_bundle(bundle_pem: bytes) -> list[x509.Certificate]:
    """The certificates of a bundle; CertificateError where it is none."""
    try:
        return x509.load_pem_x509_certificates(bundle_pem)
    except ValueError as error:
        raise CertificateError(f"{_WHERE}: {BUNDLE_KEY} {_NOT_PEM}") from error


def validate(stored: StoredAuthority, now: datetime) -> None:
    """CertificateError where nothing signed by the authority would be believed at `now`.

    A certificate from a replica whose clock is ahead of ours by no more than authorities are backdated is accepted.
    """
    certificate = stored.certificate
    if now >= certificate.not_valid_after_utc:
        raise CertificateError(f"{_WHERE}: the CA expired at {certificate.not_valid_after_utc.isoformat()}; {_REMEDY}")
    if now < certificate.not_valid_before_utc:
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


def _data(stored: StoredAuthority) -> dict[str, str | None]:
    following = KeyPair(b"", b"") if stored.next is None else stored.next.pair
    data = {
        BUNDLE_KEY: stored.bundle_pem,
        CERTIFICATE_KEY: stored.authority.pair.certificate_pem,
        PRIVATE_KEY_KEY: stored.authority.pair.key_pem,
        NEXT_CERTIFICATE_KEY: following.certificate_pem,
        NEXT_PRIVATE_KEY_KEY: following.key_pem,
    }
    return {key: base64.b64encode(value).decode() if value else None for key, value in data.items()}


def _annotations(stored: StoredAuthority) -> dict[str, str | None]:
    wait, instant = stored.wait_seconds, stored.switch_after
    return {
        names.ROLLOVER_WAIT_ANNOTATION: None if wait is None else str(wait),
        names.SWITCH_AFTER_ANNOTATION: None if instant is None else instant.isoformat(),
    }


def _parse_authority(data: Mapping[str, Any], certificate_key: str, private_key_key: str) -> CertificateAuthority:
    pair = KeyPair(_decode(data, certificate_key), _decode(data, private_key_key))
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate_pem)
        key = serialization.load_pem_private_key(pair.key_pem, password=None)
        matching, signs = key.public_key() == certificate.public_key(), may_sign(certificate)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"{_WHERE} {_NOT_PEM}") from error
    except UnsupportedAlgorithm as error:
        raise CertificateError(f"{_WHERE}: {private_key_key} {_WRONG_KEY}") from error
    if not isinstance(key, SigningKey):
        raise CertificateError(f"{_WHERE}: {private_key_key} {_WRONG_KEY}")
    if not matching:
        raise CertificateError(f"{_WHERE}: {private_key_key} is not the key of {certificate_key}; {_REMEDY}")
    if not signs:
        raise CertificateError(
            f"{_WHERE}: {certificate_key} is not a CA's certificate, so nobody would believe what it signs; put a CA"
            f" there, or {_REMEDY}"
        )
    return CertificateAuthority(pair)


def _parse_next(data: Mapping[str, Any], bundle: list[x509.Certificate]) -> CertificateAuthority | None:
    if not data.get(NEXT_CERTIFICATE_KEY):
        return None
    try:
        following = _parse_authority(data, NEXT_CERTIFICATE_KEY, NEXT_PRIVATE_KEY_KEY)
    except CertificateError as error:
        _log.warning("the next CA is left out: %s", error)
        return None
    return following if following.pair.certificate in bundle else None


def _parse_wait(text: str | None) -> int | None:
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() else DEFAULT_WAIT_SECONDS


def _parse_instant(text: str | None) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None
