"""What a cluster's certificates look like from outside: the CA Secret against what the webhooks trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certs.injection import decode_bundle
from certs.store import StoredAuthority

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """One CA certificate: in the Secret, or in a webhook's caBundle. It is one row of `stoker certs status`."""

    where: str
    subject: str
    fingerprint: str
    """The first 16 hexadecimal digits of the certificate's SHA-256."""

    expires: datetime | None
    days_left: float | None
    verdict: str
    """`signs`, `trusted`, or what is wrong."""

    agrees: bool


def inspect(
    stored: StoredAuthority | None, configuration: Mapping[str, Any] | None, now: datetime
) -> list[CertificateReport]:
    """A row for the signing CA and one for each certificate that a webhook trusts; all agree where all is well."""
    webhooks = (configuration or {}).get("webhooks") or []
    rows = [_signing(stored, now)]
    if not webhooks:
        rows.append(_missing("webhook configuration", "missing: apply the manifests"))
    for webhook in webhooks:
        bundle = decode_bundle(webhook.get("clientConfig", {}).get("caBundle"))
        rows += _trusted(f"webhook {webhook['name']}", bundle, stored, now)
    return rows


def _signing(stored: StoredAuthority | None, now: datetime) -> CertificateReport:
    if stored is None:
        return _missing("CA Secret", "missing: Stoker makes it when it starts")
    expired = now >= stored.certificate.not_valid_after_utc
    return _row("CA Secret", stored.certificate, now, "expired" if expired else "signs", agrees=not expired)


def _trusted(where: str, bundle: bytes, stored: StoredAuthority | None, now: datetime) -> list[CertificateReport]:
    try:
        certificates = x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return [_missing(where, "no caBundle: the API server does not trust Stoker" if not bundle else "not PEM")]
    signing = None if stored is None else stored.certificate
    if signing in certificates:
        return [_row(where, certificate, now, "trusted", agrees=True) for certificate in certificates]
    verdict = "does not trust the CA that signs"
    return [_row(where, certificate, now, verdict, agrees=False) for certificate in certificates]


def _row(where: str, certificate: x509.Certificate, now: datetime, verdict: str, *, agrees: bool) -> CertificateReport:
    expires = certificate.not_valid_after_utc
    return CertificateReport(
        where=where,
        subject=certificate.subject.rfc4514_string(),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex()[:16],
        expires=expires,
        days_left=round((expires - now).total_seconds() / SECONDS_A_DAY, 1),
        verdict=verdict,
        agrees=agrees,
    )


def _missing(where: str, verdict: str) -> CertificateReport:
    return CertificateReport(where, "", "", None, None, verdict, agrees=False)
