"""What tests share: a desk for each, and on the real control plane one kube-scheduler and a yard for each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from lab.processes import Process
from tests.placement.desk import Desk
from tests.placement.yard import Yard, install

SCHEDULER = "yard-scheduler"


@pytest.fixture
async def desk() -> Desk:
    """With a profile and nothing else."""
    made = Desk()
    made.profile(maxHoldSeconds=60)
    return made


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def scheduler(control_plane: ControlPlane) -> AsyncIterator[Process]:
    await install(control_plane)
    running = await control_plane.start_scheduler(SCHEDULER, {"profiles": [{"schedulerName": SCHEDULER}]})
    yield running
    await running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def yard(control_plane: ControlPlane, scheduler: Process) -> AsyncIterator[Yard]:  # noqa: ARG001 - has to run
    async with (
        ApiClient(await load_access(control_plane.admin_kubeconfig)) as client,
        Yard.open(client, SCHEDULER) as opened,
    ):
        yield opened
