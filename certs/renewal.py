"""When a certificate is due for renewal."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from certs.authority import KeyPair, key_identifier


def renewal_time(certificate: x509.Certificate) -> datetime:
    """Two thirds into its life: a third is left for whatever keeps the renewal from succeeding."""
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return start + (end - start) * 2 / 3


def is_due(leaf: KeyPair | None, authority: x509.Certificate, now: datetime) -> bool:
    """Whether another leaf is needed: there is none, it ages, the authority is another, or the clock was set back."""
    if leaf is None:
        return True
    certificate = leaf.certificate
    if now < certificate.not_valid_before_utc or now >= renewal_time(certificate):
        return True
    return not _is_signed_by(certificate, authority)


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """By key, since every authority of ours has the same name; and by name: a CA may be reissued under its key."""
    if certificate.issuer != authority.subject:
        return False
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return issuer.key_identifier == key_identifier(authority)
