"""A certificate authority in a few words: make one, let it issue leaves, write both as PEM.

Keys are ECDSA P-256: every TLS 1.2 and 1.3 client of Kubernetes takes them, and signing costs a replica well under a
millisecond. An authority that somebody else made may have an RSA key. `now` is a parameter everywhere, and each
certificate is valid from `BACKDATE` before it, so that a client whose clock is hours behind still accepts a fresh leaf.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from model.errors import CertificateError

BACKDATE = timedelta(days=1)
CA_LIFETIME = timedelta(days=365)
LEAF_LIFETIME = timedelta(days=7)

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate (with its chain, where it has one) and its private key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes

    @property
    def certificate(self) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self.certificate_pem)
        except ValueError as error:
            raise CertificateError(f"not a PEM certificate: {error}") from error

    @property
    def expires(self) -> datetime:
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A CA certificate with its key, able to issue leaves."""

    pair: KeyPair

    @classmethod
    def create(cls, common_name: str, *, now: datetime, lifetime: timedelta = CA_LIFETIME) -> CertificateAuthority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name)
        builder = (
            _builder(name, name, key.public_key(), now, lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
        )
        return cls(_signed(builder, key, key))

    def issue(
        self,
        common_name: str,
        *,
        now: datetime,
        identities: Iterable[str] = (),
        organizations: Iterable[str] = (),
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> KeyPair:
        """A leaf for servers and clients alike.

        `identities` are DNS names and IP addresses, told apart by their form; `organizations` become Kubernetes groups
        where the leaf is used as a client certificate. The leaf never outlives its authority.
        """
        authority, authority_key = self.pair.certificate, self._key()
        key = ec.generate_private_key(ec.SECP256R1())
        lifetime = min(lifetime, authority.not_valid_after_utc - now)
        builder = (
            _builder(_name(common_name, organizations), authority.subject, key.public_key(), now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier(key_identifier(authority), None, None), critical=False)
        )
        names = [_general_name(identity) for identity in identities]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _signed(builder, key, authority_key)

    def _key(self) -> SigningKey:
        try:
            key = serialization.load_pem_private_key(self.pair.key_pem, password=None)
        except ValueError as error:
            raise CertificateError(f"the authority's key is not a PEM private key: {error}") from error
        if not isinstance(key, SigningKey):
            raise CertificateError("the authority's key is neither ECDSA nor RSA; give it one that is")
        return key


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether clients believe what is signed with the certificate's key: it says that it is a CA's."""
    found = {type(item.value): item.value for item in certificate.extensions}
    constraints, usage = found.get(x509.BasicConstraints), found.get(x509.KeyUsage)
    return constraints is not None and constraints.ca and (usage is None or usage.key_cert_sign)


def key_identifier(authority: x509.Certificate) -> bytes:
    """By which what it signs names its key: the makers of certificates compute it by several rules, or leave it out."""
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(authority.public_key()).digest


def fingerprint(certificate: x509.Certificate) -> str:
    """The first 16 hexadecimal digits of the certificate's SHA-256: enough to tell a handful apart."""
    return certificate.fingerprint(hashes.SHA256()).hex()[:16]


def _name(common_name: str, organizations: Iterable[str] = ()) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(identity: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(identity))
    except ValueError:
        return x509.DNSName(identity)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey, signer: SigningKey) -> KeyPair:
    certificate = builder.sign(signer, hashes.SHA256())
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
