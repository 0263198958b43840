"""A tenant's pod through the real API server, the webhook, a real kube-scheduler and the extender."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.simulation.truth import Truth
from model import names
from model.errors import ApiError
from model.forecast import TERM_NAMES
from tests.cli.command import until
from tests.lab.installed import GATED, SCORED, WARM, Installation

pytestmark = pytest.mark.controlplane

PATIENT = "patient"
"""A profile that distrusts containerd for longer than any test lasts."""


async def test_a_tenants_pod_goes_to_a_warm_amd64_node_and_is_ready_without_a_failed_sandbox(
    installation: Installation,
) -> None:
    created = await installation.create(await installation.tenant(), installation.manifest())
    assert await installation.node_of(created) in WARM

    async def ready() -> Truth | None:
        truth = installation.fleet.truth(created["metadata"]["uid"])
        return truth if truth and truth.ready_at is not None else None

    truth = await until(ready)
    assert (truth.warm_at_binding, truth.failed_sandboxes) == (True, 0)


async def test_a_node_whose_containerd_was_just_restarted_is_passed_over(installation: Installation) -> None:
    profile = {**installation.profile, "metadata": {"name": PATIENT}}
    profile["spec"] = {**profile["spec"], "settleSeconds": 86_400}
    await installation.stage.apply([profile])
    namespace = await installation.namespace(PATIENT)
    probe = await installation.create(namespace, installation.manifest("probe"), dryRun="All")
    installation.fleet.restart_containerd("warm-1")

    async def distrusted() -> bool | None:
        scores = await installation.scores(probe)
        return scores["warm-1"] < scores["warm-2"] or None

    assert await until(distrusted)
    pods = [await installation.create(namespace, installation.manifest(f"agent-{n}")) for n in range(4)]
    assert [await installation.node_of(pod) for pod in pods] == ["warm-2"] * 4


async def test_the_forecast_that_placed_a_pod_stands_on_an_event(installation: Installation) -> None:
    created = await installation.create(await installation.tenant(), installation.manifest())
    told = await installation.forecast_of(created)
    assert told["node"] == await installation.node_of(created)
    assert tuple(told["terms"]) == TERM_NAMES
    assert told["seconds"] == pytest.approx(sum(told["terms"].values()), abs=0.5)
    assert told["message"].startswith("ready in about ")


async def test_the_burst_is_spread_over_the_nodes_that_tie(installation: Installation) -> None:
    namespace = await installation.tenant()
    probe = await installation.create(namespace, installation.manifest("probe"), dryRun="All")

    async def tied() -> bool | None:
        scores = await installation.scores(probe)
        return {node for node, score in scores.items() if score == max(scores.values())} == WARM or None

    assert await until(tied)
    pods = [await installation.create(namespace, installation.manifest(f"agent-{n}")) for n in range(10)]
    assert {await installation.node_of(pod) for pod in pods} == WARM


async def test_a_gated_pod_is_nominated_let_go_and_bound_to_a_warm_amd64_node(installation: Installation) -> None:
    created = await installation.create(await installation.namespace(GATED), installation.manifest())
    assert created["spec"]["schedulingGates"] == [{"name": "stoker.dev/warm-node"}]
    node = await installation.node_of(created)
    bound = await installation.read(created)
    told = json.loads(bound["metadata"]["annotations"]["stoker.dev/forecast"])
    assert node in WARM
    assert "schedulingGates" not in bound["spec"]
    assert (told["node"], tuple(told["terms"])) == (node, TERM_NAMES)


async def test_a_tenants_pod_is_stored_as_its_profile_says(installation: Installation) -> None:
    created = await installation.create(await installation.tenant(), installation.manifest())
    spec = (await installation.read(created))["spec"]
    assert created["metadata"]["annotations"] == {"stoker.dev/profile": SCORED}
    assert spec["runtimeClassName"] == installation.constants.kata.runtime_class
    assert spec["overhead"]["cpu"] == installation.constants.kata.overhead_cpu
    assert spec["schedulerName"] == "stoker-scheduler"
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert "stoker.dev/tenant" in {item.get("key") for item in spec["tolerations"]}
    assert "schedulingGates" not in spec


async def test_a_dry_run_shows_the_same_and_stores_nothing(installation: Installation) -> None:
    namespace = await installation.tenant()
    shown = await installation.create(namespace, installation.manifest(), dryRun="All")
    assert shown["spec"]["schedulerName"] == "stoker-scheduler"
    assert (await installation.stage.client.get(f"/api/v1/namespaces/{namespace}/pods"))["items"] == []


async def test_an_unknown_profile_is_refused_with_its_name(installation: Installation) -> None:
    namespace = await installation.ghostly()
    with pytest.raises(ApiError, match=f"'{namespace}' asks for TenantProfile 'nobodys'.*does not exist") as refusal:
        await installation.create(namespace, installation.manifest())
    assert refusal.value.status == 403


async def test_a_class_other_than_the_enforced_one_is_refused(installation: Installation) -> None:
    other = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "other"}, "handler": "runc"}
    await installation.stage.apply([other])
    manifest = installation.manifest(runtimeClassName="other")
    with pytest.raises(ApiError, match=rf"runtimeClassName 'other', but TenantProfile '{SCORED}' enforces"):
        await installation.create(await installation.tenant(), manifest)


async def test_no_simulated_node_is_asked_to_run_stoker_itself(installation: Installation) -> None:
    async def specs(version: str, kind: str) -> list[Any]:
        path = f"/apis/{version}/namespaces/{names.NAMESPACE}/{kind}"
        return [item["spec"] for item in (await installation.stage.client.get(path))["items"]]

    assert {spec["replicas"] for spec in await specs("apps/v1", "deployments")} == {0}
    assert [spec["suspend"] for spec in await specs("batch/v1", "cronjobs")] == [True]


async def test_pods_of_other_namespaces_cause_no_webhook_call(installation: Installation) -> None:
    tenant, free = await installation.tenant(), await installation.namespace(None)

    async def calls() -> float:
        return (await installation.webhook_metrics()).value("stoker_http_requests_total", listener="webhook")

    before = await calls()
    for number in range(5):
        await installation.create(free, installation.manifest(f"web-{number}"))
    assert await calls() == before
    await installation.create(tenant, installation.manifest(), dryRun="All")
    assert await calls() > before


async def test_a_pod_of_another_namespace_is_stored_as_its_author_wrote_it(installation: Installation) -> None:
    created = await installation.create(await installation.namespace(None), installation.manifest())
    assert "annotations" not in created["metadata"]
    assert created["spec"]["schedulerName"] == "default-scheduler"
    assert created["spec"]["containers"][0]["imagePullPolicy"] == "Always"
    assert "runtimeClassName" not in created["spec"]
