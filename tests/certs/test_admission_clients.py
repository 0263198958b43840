"""kube-apiserver shows the webhook a client certificate, by an AdmissionConfiguration of ours, and only with that."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from certs.issuance import ADMISSION_CONFIGURATION, admission_configuration, issue_client
from certs.serving import ServingTls
from certs.store import StoredAuthority
from cluster.access import load_access
from cluster.client import STRATEGIC_PATCH, ApiClient
from lab.commandlines import ControlPlaneSettings
from lab.controlplane import ControlPlane
from lab.processes import free_ports
from lab.toolchain import Programs
from manifests.loader import load
from model import names
from model.errors import ApiError
from tests.certs.builders import NOW, authority, leaf
from tests.certs.conftest import CONFIGURATION, CONFIGURATIONS
from tests.certs.test_admission import PROPAGATION_SECONDS, Webhook, create_pod, create_pod_once_it_is_trusted, tenant

pytestmark = pytest.mark.controlplane

CA = authority()
STORED = StoredAuthority(CA, CA.pair.certificate_pem)


@asynccontextmanager
async def webhook_on(port: int) -> AsyncIterator[Webhook]:
    """It answers clients of `CA` only."""
    webhook = Webhook(ServingTls())
    webhook.tls.serve(leaf(CA))
    webhook.tls.trust(STORED.bundle_pem)
    app = web.Application()
    app.router.add_post("/mutate", webhook.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=webhook.tls.mutual_context).start()
    try:
        yield webhook
    finally:
        await runner.cleanup()


async def wire(client: ApiClient, port: int) -> None:
    configuration = {"url": f"https://127.0.0.1:{port}/mutate", "service": None}
    configuration["caBundle"] = base64.b64encode(STORED.bundle_pem).decode()
    wiring = {"webhooks": [{"name": "pods.stoker.dev", "clientConfig": configuration}]}
    await client.patch(CONFIGURATION, wiring, STRATEGIC_PATCH)


async def test_an_api_server_with_the_admission_configuration_is_let_in(programs: Programs, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    issued = issue_client(STORED, "stoker-apiserver", now=NOW, lifetime=STORED.certificate.not_valid_after_utc - NOW)
    for name, content in {**issued.files, **admission_configuration(f"127.0.0.1:{port}", tmp_path)}.items():
        (tmp_path / name).write_bytes(content)
    settings = ControlPlaneSettings(
        controller_manager=False, admission_configuration=tmp_path / ADMISSION_CONFIGURATION
    )
    async with (
        webhook_on(port) as webhook,
        ControlPlane.start(programs, settings) as running,
        ApiClient(await load_access(running.admin_kubeconfig)) as client,
    ):
        (configuration,) = (item for item in load("base") if item["kind"] == "MutatingWebhookConfiguration")
        await running.kubectl("create", "namespace", names.NAMESPACE)
        await client.create(CONFIGURATIONS, configuration)
        await wire(client, port)
        await create_pod_once_it_is_trusted(client, await tenant(client))
        assert webhook.calls > 0


async def test_an_api_server_without_it_is_not(client: ApiClient) -> None:
    (port,) = free_ports(1)
    async with webhook_on(port) as webhook:
        await wire(client, port)
        namespace = await tenant(client)
        await turned_away(client, namespace, port)
        assert webhook.calls == 0


async def turned_away(client: ApiClient, namespace: str, port: int) -> None:
    """Until the API server has noticed the wiring it asks elsewhere; then it gets no answer from this port."""
    async with asyncio.timeout(PROPAGATION_SECONDS):
        while True:
            with pytest.raises(ApiError) as caught:
                await create_pod(client, namespace)
            if f"https://127.0.0.1:{port}/mutate" in str(caught.value):
                return
            await asyncio.sleep(0.05)
