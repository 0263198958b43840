"""Placement while something is away: the API server, the leader."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from tests.placement.yard import Yard, install

pytestmark = pytest.mark.controlplane

SCHEDULER = "default-scheduler"


async def test_placement_goes_on_after_the_api_server_was_away(programs: Programs, tmp_path: Path) -> None:
    """One pod's deadline passes meanwhile, another one comes afterwards."""
    running = await ControlPlane.up(tmp_path, programs)
    try:
        await install(running)
        await running.start_scheduler(SCHEDULER, {})
        async with (
            ApiClient(await load_access(running.admin_kubeconfig)) as client,
            Yard.open(client, SCHEDULER) as yard,
            yard.controller(),
        ):
            await yard.profile(maxHoldSeconds=6, settleSeconds=4)
            node = await yard.node("settling", settling=True)
            await yard.pod("held")
            await yard.event("Held", "held")
            await running.apiserver.kill()
            await asyncio.sleep(3)  # the outage itself
            await running.apiserver.start()
            await yard.opened("held")
            await yard.pod("late")
            assert await yard.bound("late") == node
    finally:
        await running.down()


async def test_a_burst_is_placed_although_the_leader_changes_in_its_middle(yard: Yard) -> None:
    nodes = {await yard.node(f"warm-{number}", cpu="10") for number in range(3)}
    async with yard.controller() as first:
        await yard.pod("before")
        await yard.bound("before")
        async with yard.controller():
            creating = asyncio.gather(*(yard.pod(f"agent-{number}") for number in range(24)))
            await yard.opened("agent-0")
            await first.resign()
            await creating
            placed = [await yard.bound(f"agent-{number}") for number in range(24)]
    assert set(placed) <= nodes
    named = {
        pod.metadata.name: pod.status.nominated_node_name for pod in yard.history if pod.status.nominated_node_name
    }
    assert [named[f"agent-{number}"] for number in range(24)] == placed
