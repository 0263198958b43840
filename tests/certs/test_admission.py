"""The API server is the client that counts: it calls a webhook of ours with nothing but the bundle we published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from certs.serving import ServingTls
from certs.sources import SelfManaged
from cluster.client import STRATEGIC_PATCH, ApiClient
from model.errors import ApiError
from model.names import PROFILE_LABEL
from tests.certs.builders import NOW
from tests.certs.conftest import CONFIGURATION, SECRET
from tests.conftest import namespace_name

pytestmark = pytest.mark.controlplane

PROPAGATION_SECONDS = 30.0
"""How long the API server may take to notice a change of the webhook configuration; it takes a moment."""


class Webhook:
    """A webhook that admits everything and counts. It ends each connection, so that each call is a handshake."""

    def __init__(self, tls: ServingTls) -> None:
        self.tls = tls
        self.calls = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.calls += 1
        review = await request.json()
        verdict = {"uid": review["request"]["uid"], "allowed": True}
        response = web.json_response({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": verdict})
        response.force_close()
        return response


@pytest_asyncio.fixture(loop_scope="session")
async def webhook(client: ApiClient) -> AsyncIterator[Webhook]:
    """Wired into the webhook configuration by URL, as a lab does that has no Service network."""
    webhook = Webhook(ServingTls())
    app = web.Application()
    app.router.add_post("/mutate", webhook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=webhook.tls.context)
    await site.start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/mutate"
    wiring = {"webhooks": [{"name": "pods.stoker.dev", "clientConfig": {"service": None, "url": url}}]}
    await client.patch(CONFIGURATION, wiring, STRATEGIC_PATCH)
    yield webhook
    await runner.cleanup()


async def tenant(client: ApiClient) -> str:
    name = namespace_name("certs")
    await client.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": {PROFILE_LABEL: "kata-agents"}}})
    return name


async def create_pod(client: ApiClient, namespace: str) -> Any:
    pod = {"metadata": {"name": "agent"}, "spec": {"containers": [{"name": "main", "image": "registry.example/a:1"}]}}
    return await client.create(f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All")


async def create_pod_once_it_is_trusted(client: ApiClient, namespace: str) -> None:
    async with asyncio.timeout(PROPAGATION_SECONDS):
        while True:
            try:
                await create_pod(client, namespace)
            except ApiError as error:
                if "certificate signed by unknown authority" not in str(error):
                    raise
            else:
                return
            await asyncio.sleep(0.05)


async def refused_as_untrusted(client: ApiClient, namespace: str) -> None:
    async with asyncio.timeout(PROPAGATION_SECONDS):
        while True:
            try:
                await create_pod(client, namespace)
            except ApiError as error:
                if "certificate signed by unknown authority" in str(error):
                    return
            await asyncio.sleep(0.05)


async def test_the_api_server_calls_us_once_the_bundle_is_published(client: ApiClient, webhook: Webhook) -> None:
    await SelfManaged(client, webhook.tls).refresh(NOW)
    await create_pod_once_it_is_trusted(client, await tenant(client))
    assert webhook.calls > 0


async def test_the_api_server_refuses_a_leaf_of_an_authority_that_is_not_published(
    client: ApiClient, webhook: Webhook
) -> None:
    await SelfManaged(client, webhook.tls).refresh(NOW)
    namespace = await tenant(client)
    await create_pod_once_it_is_trusted(client, namespace)
    await client.delete(SECRET)
    stranger = ServingTls()
    await SelfManaged(client, stranger).refresh(NOW)
    await refused_as_untrusted(client, namespace)


async def test_the_api_server_follows_to_another_authority(client: ApiClient, webhook: Webhook) -> None:
    source = SelfManaged(client, webhook.tls)
    await source.refresh(NOW)
    namespace = await tenant(client)
    await create_pod_once_it_is_trusted(client, namespace)
    await client.delete(SECRET)
    await source.refresh(NOW)
    calls = webhook.calls
    await create_pod_once_it_is_trusted(client, namespace)
    assert webhook.calls > calls
