from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from certs.injection import ATTEMPTS, INJECTOR_ANNOTATIONS, BundleInjector, Injection, build_patch, decode_bundle
from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from model.errors import CertificateError, Conflict
from tests.certs.builders import authority
from tests.certs.conftest import CONFIGURATION

BUNDLE = authority().pair.certificate_pem


async def stored_bundle() -> bytes:
    return BUNDLE


def configuration(**bundles: bytes | None) -> dict[str, Any]:
    def webhook(name: str, bundle: bytes | None) -> dict[str, Any]:
        encoded = {} if bundle is None else {"caBundle": base64.b64encode(bundle).decode()}
        return {"name": name, "clientConfig": {"url": "https://127.0.0.1/", **encoded}}

    return {
        "metadata": {"resourceVersion": "7"},
        "webhooks": [webhook(name, bundle) for name, bundle in bundles.items()],
    }


def bundles_of(live: dict[str, Any]) -> list[bytes]:
    return [decode_bundle(webhook["clientConfig"].get("caBundle")) for webhook in live["webhooks"]]


def test_nothing_is_written_where_every_webhook_has_the_bundle() -> None:
    assert build_patch(configuration(pods=BUNDLE, nodes=BUNDLE), BUNDLE) is None


def test_only_the_webhooks_that_differ_are_written_and_with_the_version_read() -> None:
    patch = build_patch(configuration(pods=BUNDLE, nodes=None, jobs=b"another"), BUNDLE)
    encoded = base64.b64encode(BUNDLE).decode()
    assert patch == {
        "metadata": {"resourceVersion": "7"},
        "webhooks": [
            {"name": "nodes", "clientConfig": {"caBundle": encoded}},
            {"name": "jobs", "clientConfig": {"caBundle": encoded}},
        ],
    }


@pytest.mark.controlplane
async def test_the_bundle_is_written_and_nothing_else_is_changed(client: ApiClient) -> None:
    before = await client.get(CONFIGURATION)
    assert await BundleInjector(client).inject(stored_bundle) is Injection.WRITTEN
    after = await client.get(CONFIGURATION)
    assert bundles_of(after) == [BUNDLE]
    for webhook in after["webhooks"]:
        del webhook["clientConfig"]["caBundle"]
    assert after["webhooks"] == before["webhooks"]


@pytest.mark.controlplane
async def test_the_second_time_nothing_is_written(client: ApiClient) -> None:
    await BundleInjector(client).inject(stored_bundle)
    version = (await client.get(CONFIGURATION))["metadata"]["resourceVersion"]
    assert await BundleInjector(client).inject(stored_bundle) is Injection.UNCHANGED
    assert (await client.get(CONFIGURATION))["metadata"]["resourceVersion"] == version


class _InterruptedClient(ApiClient):
    """A client before whose first patches somebody else writes."""

    interruptions: int

    async def patch(self, path: str, body: Any, content_type: str = "", **query: str | int) -> Any:
        if self.interruptions > 0:
            self.interruptions -= 1
            await super().patch(path, {"metadata": {"labels": {"interruption": str(self.interruptions)}}})
        return await super().patch(path, body, content_type, **query)


@pytest.mark.controlplane
async def test_it_is_written_although_somebody_else_wrote_in_between(
    client: ApiClient, own_control_plane: ControlPlane
) -> None:
    async with _InterruptedClient(await load_access(own_control_plane.admin_kubeconfig)) as interrupted:
        interrupted.interruptions = ATTEMPTS - 1
        assert await BundleInjector(interrupted).inject(stored_bundle) is Injection.WRITTEN
    live = await client.get(CONFIGURATION)
    assert bundles_of(live) == [BUNDLE]
    assert live["metadata"]["labels"]["interruption"] == "0"


@pytest.mark.controlplane
@pytest.mark.usefixtures("client")
async def test_an_endless_fight_ends_as_a_conflict(own_control_plane: ControlPlane) -> None:
    async with _InterruptedClient(await load_access(own_control_plane.admin_kubeconfig)) as interrupted:
        interrupted.interruptions = ATTEMPTS
        with pytest.raises(Conflict):
            await BundleInjector(interrupted).inject(stored_bundle)


@pytest.mark.controlplane
async def test_a_missing_configuration_is_said_once_and_filled_in_when_it_comes(
    client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    shipped = await client.get(CONFIGURATION)
    await client.delete(CONFIGURATION)
    injector = BundleInjector(client)
    with caplog.at_level(logging.WARNING, logger="certs.injection"):
        assert [await injector.inject(stored_bundle), await injector.inject(stored_bundle)] == [Injection.ABSENT] * 2
    assert len(caplog.records) == 1
    shipped["metadata"] = {"name": "stoker"}
    await client.create(CONFIGURATION.rsplit("/", 1)[0], shipped)
    assert await injector.inject(stored_bundle) is Injection.WRITTEN


@pytest.mark.controlplane
async def test_what_cert_manager_keeps_is_not_written(client: ApiClient) -> None:
    await client.patch(CONFIGURATION, {"metadata": {"annotations": {INJECTOR_ANNOTATIONS[0]: "stoker-system/stoker"}}})
    with pytest.raises(CertificateError, match="--certificates=cert-manager"):
        await BundleInjector(client).inject(stored_bundle)
    assert bundles_of(await client.get(CONFIGURATION)) == [b""]
