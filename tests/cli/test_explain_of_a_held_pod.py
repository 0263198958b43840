"""`stoker explain` on a pod behind the gate: what it waits for, and until when."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cluster.access import load_access
from cluster.client import ApiClient
from lab.controlplane import ControlPlane
from model import names
from tests.cli.command import stoker
from tests.placement.yard import Yard, install

pytestmark = pytest.mark.controlplane


@pytest_asyncio.fixture(loop_scope="session")
async def yard(control_plane: ControlPlane) -> AsyncIterator[Yard]:
    await install(control_plane)
    async with (
        ApiClient(await load_access(control_plane.admin_kubeconfig)) as client,
        Yard.open(client, "nobody") as opened,
    ):
        yield opened


async def explained(yard: Yard, kubeconfig: Path, *words: str) -> str:
    ended = await stoker("explain", f"{yard.namespace}/agent", "--kubeconfig", kubeconfig, *words)
    assert (ended.status, ended.complaint) == (0, "")
    return ended.output


async def test_a_held_pods_node_deadline_and_events_are_told(yard: Yard, control_plane: ControlPlane) -> None:
    await yard.profile(maxHoldSeconds=90, settleSeconds=60)
    node = await yard.node("settling", settling=True)
    async with yard.controller():
        created = await yard.pod()
        await yard.event("Held")
        answer: dict[str, Any] = json.loads(await explained(yard, control_plane.admin_kubeconfig, "-o", "json"))
        text = await explained(yard, control_plane.admin_kubeconfig)
    gate = answer["gate"]
    assert (gate["name"], gate["waits_for"]["node"]) == (names.WARM_NODE_GATE, node)
    since = datetime.fromisoformat(created["metadata"]["creationTimestamp"])
    assert (datetime.fromisoformat(gate["opens_at"]) - since).total_seconds() == 90
    assert 0 < gate["seconds_left"] <= 90
    assert [event["reason"] for event in answer["scheduler"]["events"]] == ["Held"]
    assert answer["scheduler"]["forecast_at_placement"] is None
    (line,) = (line for line in text.splitlines() if line.startswith("The gate "))
    assert f"waits for {node} (" in line
    assert f"its deadline: {gate['opens_at']}, in " in line
    assert "Held: waits for " in text


async def test_nodes_that_cannot_take_the_pod_stand_last_and_say_why(yard: Yard, control_plane: ControlPlane) -> None:
    await yard.profile()
    fitting, cordoned = await yard.node("fitting"), await yard.node("a-cordoned")
    await yard.client.patch(f"/api/v1/nodes/{cordoned}", {"spec": {"unschedulable": True}})
    await yard.pod()
    answer: dict[str, Any] = json.loads(await explained(yard, control_plane.admin_kubeconfig, "-o", "json"))
    rows = [row for row in answer["nodes"] if row["node"] in (fitting, cordoned)]
    assert [(row["node"], row["fits"]) for row in rows] == [(fitting, True), (cordoned, False)]
    assert rows[1]["why"].startswith("it is cordoned")


async def test_a_gate_that_nobody_opened_in_time_is_told_with_the_way_out(
    yard: Yard, control_plane: ControlPlane
) -> None:
    await yard.profile(maxHoldSeconds=0)
    await yard.pod()
    text = await explained(yard, control_plane.admin_kubeconfig)
    (line,) = (line for line in text.splitlines() if line.startswith("The gate "))
    assert "stoker.dev/warm-node is closed; its deadline: " in line
    assert line.endswith("s ago, so no controller attends to it: `stoker release`")


async def test_a_pod_without_our_gate_has_no_such_line(yard: Yard, control_plane: ControlPlane) -> None:
    await yard.pod(gates=("example.com/other",))
    assert json.loads(await explained(yard, control_plane.admin_kubeconfig, "-o", "json"))["gate"] is None
    assert "The gate" not in await explained(yard, control_plane.admin_kubeconfig)


async def test_what_somebody_else_wrote_as_a_forecast_is_no_reason_to_fail(
    yard: Yard, control_plane: ControlPlane
) -> None:
    await yard.pod()
    garbage = {"metadata": {"annotations": {names.FORECAST_ANNOTATION: "garbage"}}}
    await yard.client.patch(f"{yard.pods}/agent", garbage)
    assert json.loads(await explained(yard, control_plane.admin_kubeconfig, "-o", "json"))["gate"]["waits_for"] is None
