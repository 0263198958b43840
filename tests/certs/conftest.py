"""A control plane of this room's own: its tests remove and spoil objects that others rely on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cluster.access import load_access
from cluster.client import ApiClient
from lab.commandlines import ControlPlaneSettings
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from manifests.loader import load
from model import names

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
CONFIGURATION = f"{CONFIGURATIONS}/{names.WEBHOOK_CONFIGURATION}"
SECRET = f"/api/v1/namespaces/{names.NAMESPACE}/secrets/{names.CA_SECRET}"


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def own_control_plane(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ControlPlane]:
    settings = ControlPlaneSettings(controller_manager=False)
    running = await ControlPlane.up(tmp_path_factory.mktemp("certs"), programs, settings)
    await running.kubectl("create", "namespace", names.NAMESPACE)
    yield running
    await running.down()


@pytest_asyncio.fixture(loop_scope="session")
async def client(own_control_plane: ControlPlane) -> AsyncIterator[ApiClient]:
    """An administrator's client; before each test the webhook configuration is as shipped, and there is no CA."""
    async with ApiClient(await load_access(own_control_plane.admin_kubeconfig)) as client:
        (configuration,) = (item for item in load("base") if item["kind"] == "MutatingWebhookConfiguration")
        await own_control_plane.kubectl(
            *("delete", f"secret/{names.CA_SECRET}", f"configmap/{names.REPLICAS_CONFIG_MAP}"),
            *(f"--namespace={names.NAMESPACE}", "--ignore-not-found"),
        )
        await own_control_plane.kubectl(
            "delete", f"mutatingwebhookconfiguration/{names.WEBHOOK_CONFIGURATION}", "--ignore-not-found"
        )
        await client.create(CONFIGURATIONS, configuration)
        yield client
