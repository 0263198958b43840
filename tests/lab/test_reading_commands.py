"""`stoker explain` and `stoker nodes` against a running cluster, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio
import yaml

from model.forecast import TERM_NAMES
from tests.cli.command import Ended, stoker
from tests.lab.installed import NODES, WARM, Installation

pytestmark = pytest.mark.controlplane

READERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "yaml": yaml.safe_load}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def placed(installation: Installation) -> dict[str, Any]:
    """A tenant's pod that was bound, and about which Stoker has spoken."""
    created = await installation.create(await installation.tenant(), installation.manifest())
    await installation.forecast_of(created)
    return await installation.read(created)


async def run(installation: Installation, *words: str) -> Ended:
    """The command, as cluster administrator, with the lab's clock."""
    access = ("--kubeconfig", str(installation.stage.control_plane.admin_kubeconfig))
    return await stoker(*words, *access, "--time-scale", str(installation.stage.speed))


def key(pod: dict[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


@pytest.mark.parametrize("form", READERS)
async def test_explain_tells_every_nodes_forecast_term_by_term(
    installation: Installation, placed: dict[str, Any], form: str
) -> None:
    answer = READERS[form]((await run(installation, "explain", key(placed), "-o", form)).output)
    rows = {row["node"]: row for row in answer["nodes"]}
    assert answer["profile"] == "kata-agents"
    assert rows.keys() == NODES
    assert all(tuple(row["terms"]) == TERM_NAMES for row in rows.values())
    possible = [row for row in rows.values() if row["seconds"] is not None]
    assert all(row["seconds"] == pytest.approx(sum(row["terms"].values()), abs=0.5) for row in possible)
    assert rows["no-image-1"]["terms"]["pull"] > 0
    assert rows["arm-1"]["terms"]["application"] > rows["warm-2"]["terms"]["application"]


async def test_explain_says_why_a_node_can_never_run_the_pod(
    installation: Installation, placed: dict[str, Any]
) -> None:
    answer = json.loads((await run(installation, "explain", key(placed), "-o", "json")).output)
    row = next(row for row in answer["nodes"] if row["node"] == "no-kata-1")
    assert (row["seconds"], row["score"]) == (None, 0)
    assert row["why"]
    assert answer["nodes"][-1] == row


async def test_explain_tells_what_the_scheduler_did(installation: Installation, placed: dict[str, Any]) -> None:
    answer = json.loads((await run(installation, "explain", key(placed), "-o", "json")).output)
    scheduler = answer["scheduler"]
    assert answer["pod"]["node"] == placed["spec"]["nodeName"]
    assert (scheduler["name"], scheduler["condition"]) == ("stoker-scheduler", "PodScheduled=True")
    assert scheduler["forecast_at_placement"]["node"] == placed["spec"]["nodeName"]
    assert {event["reason"] for event in scheduler["events"]} == {"Scheduled", "Forecast"}


async def test_explain_as_a_table_reads_from_pod_to_scheduler(
    installation: Installation, placed: dict[str, Any]
) -> None:
    lines = (await run(installation, "explain", key(placed))).output.splitlines()
    node = placed["spec"]["nodeName"]
    assert lines[0].startswith(f"Pod {key(placed)}: ")
    assert lines[0].endswith(f"on node {node}; profile kata-agents")
    heading = next(line.split() for line in lines if line.startswith("NODE"))
    assert heading == ["NODE", "SCORE", "SECONDS", *(name.upper() for name in TERM_NAMES), "WHY"]
    assert {line.split()[0] for line in lines if line.split()[:1]} >= NODES
    assert any("Scheduled: Successfully assigned" in line and line.endswith(f"to {node}") for line in lines)


async def test_explain_wide_has_the_architecture_too(installation: Installation, placed: dict[str, Any]) -> None:
    lines = (await run(installation, "explain", key(placed), "-o", "wide")).output.splitlines()
    assert next(line.split() for line in lines if line.startswith("NODE"))[:2] == ["NODE", "ARCH"]
    assert next(line.split() for line in lines if line.startswith("arm-1"))[1] == "arm64"


async def test_explain_of_anothers_pod_says_that_it_is_no_tenants(installation: Installation) -> None:
    created = await installation.create(await installation.namespace(None), installation.manifest())
    await installation.node_of(created)
    ended = await run(installation, "explain", "agent", "-n", created["metadata"]["namespace"])
    assert ended.status == 0
    assert "not a tenant's pod for Stoker: it has no annotation stoker.dev/profile" in ended.output


@pytest.mark.parametrize(
    ("pod", "complaint"),
    [
        ("nowhere/nobody", "stoker: there is no pod 'nobody' in namespace 'nowhere'"),
        ("a/b/c", "stoker: 'a/b/c' is not a pod; write NAME or NAMESPACE/NAME"),
        ("/nobody", "stoker: '/nobody' is not a pod; write NAME or NAMESPACE/NAME"),
    ],
)
async def test_explain_of_no_pod_ends_with_one_sentence(installation: Installation, pod: str, complaint: str) -> None:
    ended = await run(installation, "explain", pod)
    assert (ended.status, ended.output, ended.complaint) == (1, "", f"{complaint}\n")


@pytest.mark.parametrize("form", READERS)
async def test_nodes_tells_what_each_node_lacks(installation: Installation, placed: dict[str, Any], form: str) -> None:
    assert placed["spec"]["nodeName"] in WARM
    answer = READERS[form]((await run(installation, "nodes", "-o", form)).output)
    rows = {row["node"]: row for row in answer if row["profile"] == "kata-agents"}
    assert rows.keys() == NODES
    assert all(row["ready"] for row in rows.values())
    assert (rows["warm-2"]["warm"], rows["warm-2"]["missing"], rows["arm-1"]["warm"]) == (True, [], True)
    image = installation.constants.images[installation.constants.demo.load.tenant.image].reference
    assert [image in text for text in rows["no-image-1"]["missing"]] == [True]
    assert rows["no-kata-1"]["warm"] is False
    assert rows["no-kata-1"]["missing"]


async def test_nodes_as_a_table_has_a_row_for_every_node(installation: Installation, placed: dict[str, Any]) -> None:
    assert placed["spec"]["nodeName"] in WARM
    lines = (await run(installation, "nodes")).output.splitlines()
    assert lines[0].split() == ["NODE", "ARCH", "READY", "PROFILE", "WARM", "MISSING", "STARTING"]
    ours = [line.split() for line in lines if "kata-agents" in line.split()]
    assert {cells[0]: cells[4] for cells in ours} == {
        node: "yes" if node in (*WARM, "arm-1") else "no" for node in NODES
    }


async def test_nodes_wide_shows_images_and_handlers(installation: Installation) -> None:
    lines = (await run(installation, "nodes", "-o", "wide")).output.splitlines()
    assert lines[0].split()[-2:] == ["IMAGES", "HANDLERS"]
    assert installation.constants.kata.handlers[0] in next(line for line in lines if line.startswith("warm-2"))
