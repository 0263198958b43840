"""Control planes of this room: one with manifests/default, whose webhook fails closed; one with the policies alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from manifests.loader import ROOT
from tests.manifests.fence import WIDENED, Fence


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def installed(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    running = await ControlPlane.up(tmp_path_factory.mktemp("manifests"), programs)
    try:
        await running.kubectl("apply", "-k", str(ROOT / "default"))
        await running.kubectl("wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s")
        yield running
    finally:
        await running.down()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def fence(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fence]:
    async with Fence.start(tmp_path_factory.mktemp("fence"), programs) as made:
        await made.install()
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def editor(fence: Fence) -> ApiClient:
    """An unprivileged user."""
    return await fence.editor()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def widened(fence: Fence) -> ApiClient:
    """Somebody whom nothing but the policies stops."""
    await fence.grant("widened", WIDENED)
    client = await fence.user("widened")
    await fence.in_effect(client)
    return client
