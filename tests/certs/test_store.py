from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest

from certs.authority import BACKDATE, CA_LIFETIME
from certs.store import AuthorityStore, StoredAuthority, build_secret, parse_secret, validate
from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from model.errors import CertificateError
from tests.certs.builders import NOW, authority
from tests.certs.conftest import SECRET


def stored() -> StoredAuthority:
    ca = authority()
    return StoredAuthority(ca, ca.pair.certificate_pem)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_secret_is_read_as_it_was_written() -> None:
    kept = stored()
    assert parse_secret(build_secret(kept)) == kept


def test_a_bundle_may_hold_more_than_the_authority_that_signs() -> None:
    ca, previous = authority(), authority()
    kept = StoredAuthority(ca, previous.pair.certificate_pem + ca.pair.certificate_pem)
    assert parse_secret(build_secret(kept)) == kept


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("tls.key", None, "has no tls.key"),
        ("ca.crt", "", "has no ca.crt"),
        ("tls.crt", "%%%", "tls.crt is not base64"),
        ("tls.crt", encoded(b"nonsense"), "something else than PEM"),
        ("tls.key", encoded(b"nonsense"), "something else than PEM"),
        ("tls.key", encoded(authority().pair.key_pem), "tls.key is not the key of tls.crt"),
        ("ca.crt", encoded(authority().pair.certificate_pem), "ca.crt does not contain tls.crt"),
    ],
)
def test_a_spoilt_secret_is_refused_with_its_key_and_a_remedy(key: str, value: str | None, complaint: str) -> None:
    secret = build_secret(stored())
    secret["data"][key] = value
    with pytest.raises(CertificateError, match=complaint) as caught:
        parse_secret(secret)
    assert "kubectl -n stoker-system delete secret stoker-ca" in str(caught.value)


def test_a_secret_without_data_is_refused() -> None:
    with pytest.raises(CertificateError, match=r"has no tls\.crt"):
        parse_secret({"kind": "Secret"})


@pytest.mark.parametrize("after", [timedelta(0), CA_LIFETIME - timedelta(seconds=1), -BACKDATE])
def test_an_authority_is_taken_in_its_life_and_by_clocks_that_are_hours_behind(after: timedelta) -> None:
    validate(stored(), NOW + after)


@pytest.mark.parametrize(
    ("after", "complaint"),
    [(CA_LIFETIME, "the CA expired at"), (-BACKDATE - timedelta(seconds=1), "is not valid before")],
)
def test_an_authority_is_refused_outside_its_life(after: timedelta, complaint: str) -> None:
    with pytest.raises(CertificateError, match=complaint):
        validate(stored(), NOW + after)


def test_an_authority_of_a_replica_whose_clock_is_an_hour_ahead_is_taken_at_once() -> None:
    ahead = authority(now=NOW + timedelta(hours=1))
    validate(StoredAuthority(ahead, ahead.pair.certificate_pem), NOW)


@pytest.mark.controlplane
async def test_the_first_replica_makes_the_authority_and_the_next_finds_it(client: ApiClient) -> None:
    first = await AuthorityStore(client).ensure(NOW)
    second = await AuthorityStore(client).ensure(NOW + timedelta(hours=1))
    assert second == first


class _BeatenClient(ApiClient):
    """A client whose every create comes after a rival's."""

    rival: AuthorityStore

    async def create(self, path: str, body: Any, **query: str | int) -> Any:
        await self.rival.ensure(NOW)
        return await super().create(path, body, **query)


@pytest.mark.controlplane
async def test_a_replica_that_comes_second_uses_the_first_ones_authority(
    client: ApiClient, own_control_plane: ControlPlane
) -> None:
    async with _BeatenClient(await load_access(own_control_plane.admin_kubeconfig)) as beaten:
        beaten.rival = AuthorityStore(client)
        assert await AuthorityStore(beaten).ensure(NOW) == await AuthorityStore(client).read()


@pytest.mark.controlplane
async def test_replicas_that_start_together_agree(client: ApiClient) -> None:
    made = await asyncio.gather(*(AuthorityStore(client).ensure(NOW) for _ in range(8)))
    assert all(one == made[0] for one in made)


@pytest.mark.controlplane
async def test_an_expired_authority_is_reported_and_not_replaced(client: ApiClient) -> None:
    kept = await AuthorityStore(client).ensure(NOW)
    with pytest.raises(CertificateError, match="expired"):
        await AuthorityStore(client).ensure(NOW + CA_LIFETIME)
    assert parse_secret(await client.get(SECRET)) == kept
