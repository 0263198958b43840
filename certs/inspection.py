"""What a cluster's certificates look like from outside: the CA Secret against what the webhooks trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from certs.authority import fingerprint
from certs.injection import decode_bundle, is_kept_by_cert_manager
from certs.rollover import next_step
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


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """A replica that has announced itself."""

    name: str
    fingerprint: str
    """Of the CA that its certificate comes from."""

    serves_from_signing_ca: bool


@dataclass(frozen=True, slots=True)
class Rollover:
    """Where the rollover of the CA stands, for people."""

    phase: str
    waits_for: str
    switch_after: datetime | None
    replicas: list[ReplicaReport]


def inspect(
    stored: StoredAuthority | None, configuration: Mapping[str, Any] | None, now: datetime
) -> list[CertificateReport]:
    """A row for each CA in the Secret and one for each certificate that a webhook trusts; all agree where all is well.

    Where cert-manager keeps the webhooks' caBundle there is no CA of ours, and nothing to compare with.
    """
    webhooks = (configuration or {}).get("webhooks") or []
    if configuration is not None and is_kept_by_cert_manager(configuration):
        return [row for webhook in webhooks for row in _kept_by_cert_manager(webhook, now)]
    rows = [_signing(stored, now)]
    if stored is not None and stored.next is not None:
        rows.append(_row("CA Secret, next", stored.next.pair.certificate, now, "will sign", agrees=True))
    if not webhooks:
        rows.append(_missing("webhook configuration", "missing: apply the manifests"))
    for webhook in webhooks:
        bundle = decode_bundle(webhook.get("clientConfig", {}).get("caBundle"))
        rows += _trusted(f"webhook {webhook['name']}", bundle, stored, now)
    return rows


def inspect_rollover(stored: StoredAuthority, replicas: Mapping[str, str], published: bool, now: datetime) -> Rollover:
    """`replicas` as they announced themselves; one look cannot tell which of them live."""
    verdict = next_step(stored, published=published, replicas=replicas, now=now)
    signing = fingerprint(stored.certificate)
    return Rollover(
        phase=verdict.phase.value,
        waits_for=verdict.reason
        if verdict.action is None
        else f"a replica to go on ({verdict.action}: {verdict.reason})",
        switch_after=stored.switch_after,
        replicas=[ReplicaReport(name, authority, authority == signing) for name, authority in sorted(replicas.items())],
    )


def is_published(stored: StoredAuthority, configuration: Mapping[str, Any] | None) -> bool:
    """Whether every webhook has the stored bundle, byte by byte."""
    webhooks = (configuration or {}).get("webhooks") or []
    return all(decode_bundle(item.get("clientConfig", {}).get("caBundle")) == stored.bundle_pem for item in webhooks)


def _kept_by_cert_manager(webhook: Mapping[str, Any], now: datetime) -> list[CertificateReport]:
    where = f"webhook {webhook['name']}"
    try:
        certificates = x509.load_pem_x509_certificates(decode_bundle(webhook.get("clientConfig", {}).get("caBundle")))
    except ValueError:
        return [_missing(where, "no caBundle yet: cert-manager's CA injector writes it")]
    return [
        _row(where, found, now, "kept by cert-manager", agrees=now < found.not_valid_after_utc)
        for found in certificates
    ]


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
        fingerprint=fingerprint(certificate),
        expires=expires,
        days_left=round((expires - now).total_seconds() / SECONDS_A_DAY, 1),
        verdict=verdict,
        agrees=agrees,
    )


def _missing(where: str, verdict: str) -> CertificateReport:
    return CertificateReport(where, "", "", None, None, verdict, agrees=False)
