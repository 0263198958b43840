"""What becomes of an authority that an operator brings: it signs, or it is refused with a sentence."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from certs.authority import CertificateAuthority
from certs.renewal import is_due
from certs.serving import ServingTls
from certs.store import StoredAuthority, build_secret, parse_secret
from model.errors import CertificateError
from tests.certs.builders import NOW, authority, connection, echo_server, foreign, intermediate, leaf, shown, trusting
from tests.certs.conftest import SECRET
from tests.certs.test_mutual import answered, client_of, demanding
from tests.certs.test_silence import rounds
from tests.certs.world import Replica, World

RSA = rsa.generate_private_key(65537, 2048)
P384 = ec.generate_private_key(ec.SECP384R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
IS_CA = x509.BasicConstraints(ca=True, path_length=0)
OWN_IDENTIFIER = x509.SubjectKeyIdentifier(b"by another rule")
SIGNS_NOTHING = x509.KeyUsage(True, False, False, False, False, False, False, False, False)

TAKEN = {
    "RSA": foreign(RSA, IS_CA),
    "P-384": foreign(P384, IS_CA),
    "with an identifier of its own": foreign(P384, IS_CA, OWN_IDENTIFIER),
}
REFUSED = {
    "tls.key is neither an ECDSA nor an RSA key": foreign(ED25519, IS_CA),
    "tls.crt is not a CA's certificate": foreign(P384),
    "tls.crt is not a CA's": foreign(P384, IS_CA, SIGNS_NOTHING),
}


def stored(ca: CertificateAuthority) -> StoredAuthority:
    return StoredAuthority(ca, ca.pair.certificate_pem)


@pytest.mark.parametrize("ca", TAKEN.values(), ids=TAKEN)
async def test_what_it_signs_is_believed_by_those_who_trust_it_and_by_nobody_else(ca: CertificateAuthority) -> None:
    tls = ServingTls()
    tls.serve(leaf(parse_secret(build_secret(stored(ca))).authority))
    async with echo_server(tls.context) as port:
        async with connection(port, trusting(ca)) as (_, writer):
            assert shown(writer) is not None
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            async with connection(port, trusting(authority())):
                raise AssertionError("it was believed")


async def test_clients_of_an_intermediate_authority_are_let_in_without_its_root(tmp_path: Path) -> None:
    root = foreign(P384, x509.BasicConstraints(ca=True, path_length=1))
    middle = intermediate(root)
    client = client_of(middle, tmp_path)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    assert await answered(demanding(middle), client)
    assert not await answered(demanding(middle), client_of(root, tmp_path, trusts=middle))


@pytest.mark.parametrize("ca", TAKEN.values(), ids=TAKEN)
def test_its_leaf_is_not_signed_again_before_its_time(ca: CertificateAuthority) -> None:
    assert not is_due(leaf(ca), ca.pair.certificate, NOW + timedelta(minutes=1))
    assert is_due(leaf(authority()), ca.pair.certificate, NOW + timedelta(minutes=1))


def test_its_leaf_is_signed_again_where_it_was_reissued_under_its_key_with_another_name() -> None:
    reissued = foreign(P384, IS_CA, name="renamed-ca")
    assert is_due(leaf(foreign(P384, IS_CA)), reissued.pair.certificate, NOW + timedelta(minutes=1))


@pytest.mark.parametrize(("complaint", "ca"), REFUSED.items())
def test_one_that_cannot_sign_is_refused_with_its_place_and_a_remedy(complaint: str, ca: CertificateAuthority) -> None:
    with pytest.raises(CertificateError, match=complaint) as caught:
        parse_secret(build_secret(stored(ca)))
    assert "Secret stoker-system/stoker-ca" in str(caught.value)
    assert "put a CA" in str(caught.value)


def test_one_that_cannot_sign_takes_no_replica_away_that_holds_a_good_leaf() -> None:
    world = World(authority())
    replica = Replica(world, 0.0)
    while replica.turn():
        pass
    world.objects[SECRET]["data"] = build_secret(stored(foreign(ED25519, IS_CA)))["data"]
    rounds(world, replica)
    assert replica.source.complaint() is None
