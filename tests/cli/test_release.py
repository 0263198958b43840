"""`stoker release` as the CronJob runs it: with the rights of its own account, and as a person reads it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cluster.access import load_access
from cluster.client import ApiClient
from lab.commandlines import ControlPlaneSettings
from lab.controlplane import ControlPlane
from lab.toolchain import Programs
from manifests.loader import load
from model import names
from tests.cli.command import stoker
from tests.placement.yard import Yard, install

pytestmark = pytest.mark.controlplane

OTHERS = "example.com/other"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def kubeconfig(control_plane: ControlPlane) -> Path:
    """With a token of the account that the CronJob runs as."""
    await install(control_plane)
    token = await control_plane.kubectl("create", "token", "stoker-release", f"--namespace={names.NAMESPACE}")
    return control_plane.kubeconfig_for_token(token.strip(), "stoker-release")


@pytest_asyncio.fixture(loop_scope="session")
async def yard(control_plane: ControlPlane, kubeconfig: Path) -> AsyncIterator[Yard]:  # noqa: ARG001 - installs
    async with (
        ApiClient(await load_access(control_plane.admin_kubeconfig)) as client,
        Yard.open(client, "nobody") as opened,
    ):
        yield opened


async def released(kubeconfig: Path, yard: Yard, *words: str) -> dict[str, str]:
    """The outcomes of the yard's pods."""
    ended = await stoker("release", "--kubeconfig", kubeconfig, "-o", "json", *words)
    assert (ended.status, ended.complaint) == (0, "")
    return {item["name"]: item["outcome"] for item in json.loads(ended.output) if item["namespace"] == yard.namespace}


async def test_the_accounts_rights_suffice_to_open_what_is_overdue_and_nothing_else(
    yard: Yard, kubeconfig: Path
) -> None:
    await yard.profile("hasty", maxHoldSeconds=0)
    await yard.pod("due", profile="hasty", gates=(OTHERS, names.WARM_NODE_GATE))
    await yard.pod("young")
    await yard.pod("theirs", gates=(OTHERS,))
    both = {"due": "would-open", "young": "not-due"}
    assert await released(kubeconfig, yard, "--dry-run") == both
    assert await released(kubeconfig, yard) == {**both, "due": "opened"}
    assert await released(kubeconfig, yard) == {"young": "not-due"}
    left = {name: [gate.name for gate in (await yard.read(name)).spec.scheduling_gates] for name in ("due", "young")}
    assert left == {"due": [OTHERS], "young": [names.WARM_NODE_GATE]}


async def test_the_accounts_rights_suffice_to_clear_a_nomination_that_was_left_over(
    yard: Yard, kubeconfig: Path
) -> None:
    await yard.profile("hasty", maxHoldSeconds=0)
    await yard.pod(profile="hasty")
    metadata = {"annotations": {names.FORECAST_ANNOTATION: '{"node":"gone"}'}}
    await yard.client.patch(
        f"{yard.pods}/agent/status", {"metadata": metadata, "status": {"nominatedNodeName": "gone"}}
    )
    assert await released(kubeconfig, yard) == {"agent": "opened"}
    assert (await yard.read()).status.nominated_node_name == ""


async def test_all_opens_what_is_not_due(yard: Yard, kubeconfig: Path) -> None:
    await yard.pod()
    assert await released(kubeconfig, yard, "--all") == {"agent": "opened"}


async def test_a_person_reads_a_row_for_each_pod_and_a_sentence_where_there_is_none(
    yard: Yard, kubeconfig: Path
) -> None:
    await yard.pod()
    ended = await stoker("release", "--kubeconfig", kubeconfig)
    heading, *_ = ended.output.splitlines()
    assert heading.split() == ["NAMESPACE", "POD", "OUTCOME", "OVERDUE", "SECONDS"]
    (row,) = (line.split() for line in ended.output.splitlines() if line.startswith(yard.namespace))
    assert row[1:3] == ["agent", "not-due"]
    assert -61 < float(row[3]) < 0
    await yard.client.delete(f"{yard.pods}/agent", {"gracePeriodSeconds": 0})
    ended = await stoker("release", "--kubeconfig", kubeconfig)
    assert (ended.status, ended.output) == (0, "no pod waits behind a gate of Stoker's\n")


async def test_a_gate_that_is_not_to_be_opened_ends_it_with_status_1_and_says_why(
    yard: Yard, control_plane: ControlPlane
) -> None:
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": ["list"]}
        for group, resource in (("", "pods"), (names.GROUP, "tenantprofiles"))
    ]
    role = {"metadata": {"name": "reader"}, "rules": rules}
    kind = "rbac.authorization.k8s.io/v1"
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "reader"}],
    }
    await yard.client.create(f"/apis/{kind}/clusterroles", role)
    await yard.client.create(f"/apis/{kind}/clusterrolebindings", binding)
    await yard.pod()
    ended = await stoker("release", "--all", "--kubeconfig", control_plane.kubeconfig_for("reader"))
    assert ended.status == 1
    assert "failed" in ended.output
    assert f"{yard.namespace}/agent stays gated: " in ended.complaint
    assert 'cannot update resource "pods"' in ended.complaint
    assert "Traceback" not in ended.complaint


async def test_gates_are_opened_although_the_custom_resources_are_gone_already(
    programs: Programs, tmp_path: Path
) -> None:
    """As on a cluster from which somebody deleted the CRD first."""
    running = await ControlPlane.up(tmp_path, programs, ControlPlaneSettings(controller_manager=False))
    try:
        async with ApiClient(await load_access(running.admin_kubeconfig)) as client:
            spec = {
                "containers": [{"name": "main", "image": "registry.example/agent:v1"}],
                "schedulingGates": [{"name": names.WARM_NODE_GATE}],
            }
            await client.create("/api/v1/namespaces/default/pods", {"metadata": {"name": "agent"}, "spec": spec})
            ended = await stoker("release", "--all", "--kubeconfig", running.admin_kubeconfig, "-o", "json")
            assert [item["outcome"] for item in json.loads(ended.output)] == ["opened"]
            stored = await client.get("/api/v1/namespaces/default/pods/agent")
            assert "schedulingGates" not in stored["spec"]
    finally:
        await running.down()


def test_the_cron_job_runs_this_command_every_minute_and_never_twice_at_once() -> None:
    (job,) = (item for item in load("base") if item["kind"] == "CronJob")
    assert (job["spec"]["schedule"], job["spec"]["concurrencyPolicy"]) == ("* * * * *", "Forbid")
    template = job["spec"]["jobTemplate"]["spec"]
    assert template["activeDeadlineSeconds"] < 60
    pod = template["template"]["spec"]
    assert (pod["serviceAccountName"], pod["containers"][0]["args"]) == ("stoker-release", ["release"])
