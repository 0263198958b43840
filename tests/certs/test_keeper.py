from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from certs.authority import LEAF_LIFETIME
from certs.injection import decode_bundle
from certs.keeper import LONGEST_RETRY_SECONDS, CertificateKeeper
from certs.serving import ServingTls
from certs.sources import CHECK_SECONDS, INSTALLATION_CHECK_SECONDS, SelfManaged
from certs.store import parse_secret
from cluster.client import MERGE_PATCH, ApiClient
from model.errors import CertificateError
from tests.certs.builders import NOW, connection, echo_server, leaf, shown, trusting
from tests.certs.conftest import CONFIGURATION, SECRET


class Script:
    """A source whose rounds end as told; None stands for success, which serves a leaf."""

    def __init__(self, tls: ServingTls, outcomes: Sequence[Exception | None]) -> None:
        self._tls = tls
        self._outcomes = iter(outcomes)

    async def refresh(self, now: datetime) -> float:
        outcome = next(self._outcomes)
        if outcome is not None:
            raise outcome
        self._tls.serve(leaf(now=now))
        return 7.0

    async def withdraw(self) -> None:
        """Nobody knows of it."""

    def complaint(self) -> str | None:
        return None


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def scripted(*outcomes: Exception | None) -> CertificateKeeper:
    tls = ServingTls()
    return CertificateKeeper(Script(tls, outcomes), tls, clock=Clock())


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


BROKEN = CertificateError("the Secret is spoilt; mend it")


async def test_it_has_started_once_a_certificate_is_served_and_not_before() -> None:
    keeper = scripted(BROKEN, None)
    await keeper.round()
    assert not keeper.started.is_set()
    await keeper.round()
    assert keeper.started.is_set()


async def test_pauses_grow_after_errors_up_to_a_limit_and_begin_anew_after_a_success() -> None:
    keeper = scripted(*[BROKEN] * 7, None, BROKEN)
    pauses = [await keeper.round() for _ in range(9)]
    assert pauses == [1, 2, 4, 8, 16, 30, LONGEST_RETRY_SECONDS, 7, 1]


async def test_the_status_carries_the_complaint_until_a_round_succeeds() -> None:
    keeper = scripted(BROKEN, None)
    await keeper.round()
    assert (keeper.status().leaf_expires, keeper.status().complaint) == (None, str(BROKEN))
    await keeper.round()
    assert (keeper.status().leaf_expires, keeper.status().complaint) == (NOW + LEAF_LIFETIME, None)


async def test_the_end_of_a_trouble_says_once_more_what_it_was(caplog: pytest.LogCaptureFixture) -> None:
    keeper = scripted(BROKEN, None, None)
    with caplog.at_level(logging.INFO, "certs.keeper"):
        for _ in range(3):
            await keeper.round()
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert told == [f"certificates: in order again after: {BROKEN}"]


async def test_an_error_is_counted_and_the_old_leaf_goes_on() -> None:
    keeper, before = scripted(None, BROKEN), metric("stoker_certificate_errors_total")
    await keeper.round()
    await keeper.round()
    assert metric("stoker_certificate_errors_total") == before + 1
    assert keeper.status().leaf_expires == NOW + LEAF_LIFETIME


async def test_a_defect_does_not_end_it_either() -> None:
    keeper = scripted(None, RuntimeError("a defect"), None)
    assert [await keeper.round() for _ in range(3)] == [7, 1, 7]


async def test_it_sleeps_as_long_as_each_round_asks_for() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise _EnoughError

    tls = ServingTls()
    keeper = CertificateKeeper(Script(tls, [BROKEN, BROKEN, None]), tls, clock=Clock(), sleep=sleep)
    with pytest.raises(_EnoughError):
        await keeper.run()
    assert slept == [1, 2, 7]


class _EnoughError(Exception):
    """Ends a loop that has no end."""


class Kept:
    """A keeper of self-managed certificates on the real API, with a clock of the test's own."""

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        self.clock = Clock()
        self.tls = ServingTls()
        self.keeper = CertificateKeeper(SelfManaged(client, self.tls), self.tls, clock=self.clock)

    async def bundle(self) -> bytes:
        configuration = await self.client.get(CONFIGURATION)
        return decode_bundle(configuration["webhooks"][0]["clientConfig"].get("caBundle"))


@pytest.mark.controlplane
async def test_what_the_webhook_configuration_trusts_is_what_is_served(client: ApiClient) -> None:
    kept = Kept(client)
    assert await kept.keeper.round() == CHECK_SECONDS
    stored = parse_secret(await client.get(SECRET))
    assert await kept.bundle() == stored.bundle_pem
    async with echo_server(kept.tls.context) as port, connection(port, trusting(stored.authority)) as (_, writer):
        assert shown(writer) is not None
    assert (
        metric("stoker_certificate_expiry_timestamp_seconds", certificate="leaf") == (NOW + LEAF_LIFETIME).timestamp()
    )
    assert metric("stoker_certificate_expiry_timestamp_seconds", certificate="ca") == (
        stored.authority.pair.expires.timestamp()
    )


@pytest.mark.controlplane
async def test_a_leaf_is_renewed_at_two_thirds_of_its_life_and_not_before(client: ApiClient) -> None:
    kept = Kept(client)
    await kept.keeper.round()
    first, renewals = kept.tls.pair, metric("stoker_certificate_renewals_total")
    kept.clock.now = NOW + LEAF_LIFETIME / 2
    await kept.keeper.round()
    assert kept.tls.pair == first
    kept.clock.now = NOW + LEAF_LIFETIME * 2 / 3
    await kept.keeper.round()
    assert kept.tls.pair != first
    assert metric("stoker_certificate_renewals_total") == renewals + 1


@pytest.mark.controlplane
async def test_a_bundle_that_somebody_overwrote_is_written_again(client: ApiClient) -> None:
    kept = Kept(client)
    await kept.keeper.round()
    bundle, writes = await kept.bundle(), metric("stoker_ca_bundle_writes_total")
    wipe = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    await client.patch(CONFIGURATION, wipe, "application/json-patch+json")
    await kept.keeper.round()
    assert await kept.bundle() == bundle
    await kept.keeper.round()
    assert metric("stoker_ca_bundle_writes_total") == writes + 1


@pytest.mark.controlplane
async def test_a_deleted_authority_is_replaced_in_secret_leaf_and_bundle(client: ApiClient) -> None:
    kept = Kept(client)
    await kept.keeper.round()
    before = parse_secret(await client.get(SECRET))
    await client.delete(SECRET)
    await kept.keeper.round()
    after = parse_secret(await client.get(SECRET))
    assert after != before
    assert await kept.bundle() == after.bundle_pem
    async with echo_server(kept.tls.context) as port, connection(port, trusting(after.authority)) as (_, writer):
        assert shown(writer) is not None


@pytest.mark.controlplane
async def test_a_spoilt_secret_is_complained_of_and_the_leaf_goes_on(client: ApiClient) -> None:
    kept = Kept(client)
    await kept.keeper.round()
    served = kept.tls.pair
    await client.patch(SECRET, {"data": {"ca.crt": "bm9uc2Vuc2U="}}, MERGE_PATCH)
    await kept.keeper.round()
    assert "delete secret stoker-ca" in (kept.keeper.status().complaint or "")
    assert kept.tls.pair == served


@pytest.mark.controlplane
async def test_without_a_webhook_configuration_it_serves_and_looks_again_soon(client: ApiClient) -> None:
    await client.delete(CONFIGURATION)
    kept = Kept(client)
    assert await kept.keeper.round() == INSTALLATION_CHECK_SECONDS
    assert kept.keeper.started.is_set()
    assert kept.keeper.status().complaint is None


@pytest.mark.controlplane
async def test_two_replicas_sign_with_one_authority_and_leave_each_others_bundle_alone(client: ApiClient) -> None:
    first, second = Kept(client), Kept(client)
    await first.keeper.round()
    version = (await client.get(CONFIGURATION))["metadata"]["resourceVersion"]
    second.clock.now = NOW + timedelta(minutes=3)
    await second.keeper.round()
    assert (await client.get(CONFIGURATION))["metadata"]["resourceVersion"] == version
    stored = parse_secret(await client.get(SECRET))
    assert first.tls.pair != second.tls.pair
    async with echo_server(second.tls.context) as port, connection(port, trusting(stored.authority)) as (_, writer):
        assert shown(writer) is not None


async def test_the_same_error_is_told_once_and_again_when_the_pauses_are_at_their_longest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = CertificateError("the API server is away")
    keeper = scripted(*[BROKEN] * 6, other)
    with caplog.at_level(logging.INFO, "certs.keeper"):
        for _ in range(7):
            await keeper.round()
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        f"certificates: {BROKEN}; trying again in 1 s",
        f"certificates: {BROKEN}; trying again in 30 s",
        f"certificates: {other}; trying again in 30 s",
    ]
