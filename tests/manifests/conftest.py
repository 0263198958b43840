"""A control plane of this room's own with manifests/default applied by kubectl: its webhook fails closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from manifests.loader import ROOT


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def installed(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    running = await ControlPlane.up(tmp_path_factory.mktemp("manifests"), programs)
    try:
        await running.kubectl("apply", "-k", str(ROOT / "default"))
        await running.kubectl("wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s")
        yield running
    finally:
        await running.down()
