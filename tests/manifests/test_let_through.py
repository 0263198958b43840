"""What the policies must not stand in the way of: the cluster's own programs, Stoker's, and what users may do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from cluster.client import STRATEGIC_PATCH, ApiClient
from lab.stage import eventually
from model import names
from model.errors import ApiError
from tests.manifests.fence import PROFILE, TENANT, Document, Fence, daemon_set, node, pod
from tests.manifests.requests import (
    DAEMON_SETS,
    FORECAST,
    GATE,
    NAMESPACES,
    NODES,
    PEER_PODS,
    PODS,
    TAINT,
    UNREGISTERED,
    WARM_LABEL,
    administrators_daemons,
    annotated,
    assign,
    bare_node,
    binding,
    free_namespace,
    gated,
    labels,
    marked_node,
    mirror,
    nominate,
    nominated,
    on_node,
    patching,
    peer_pod,
    plain,
    tainted,
    ungated,
)

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("widened")]

SOON = 30.0
NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}


async def kubelet(fence: Fence, name: str) -> ApiClient:
    """With the rights that the Node authorizer gives in a cluster."""
    user = f"system:node:{name}"
    await fence.control_plane.kubectl(
        *("create", "clusterrolebinding", name, "--clusterrole=system:node", f"--user={user}")
    )
    return await fence.user(user, ("system:nodes",))


@pytest.mark.parametrize("account", ["stoker", "stoker-release"])
async def test_stokers_accounts_nominate_annotate_clear_and_open(fence: Fence, account: str) -> None:
    path = await gated(fence)
    client = await fence.account(account)
    for change, subresource in ((nominated_with_a_forecast, "/status"), (cleared, "/status"), (ungated, "")):
        document = await fence.administrator.get(path)
        change(document)
        await client.update(path + subresource, document)
    stored = await fence.administrator.get(path)
    assert stored["spec"]["schedulingGates"] == [{"name": "example.com/other"}]
    assert stored["metadata"]["annotations"] == {names.PROFILE_ANNOTATION: PROFILE}
    assert "nominatedNodeName" not in stored["status"]


def nominated_with_a_forecast(document: Document) -> None:
    document["metadata"]["annotations"][names.FORECAST_ANNOTATION] = "{}"
    document["status"]["nominatedNodeName"] = "warm"


def cleared(document: Document) -> None:
    del document["metadata"]["annotations"][names.FORECAST_ANNOTATION]
    del document["status"]["nominatedNodeName"]


async def test_whoever_has_the_verb_for_one_profile_may_open_its_gates(fence: Fence) -> None:
    name = f"opener-{fence.number()}"
    verb = {"apiGroups": [names.GROUP], "resources": ["tenantprofiles"], "resourceNames": [PROFILE]}
    await fence.grant(
        name, [{"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]}, {**verb, "verbs": ["ungate"]}]
    )
    await (await fence.user(name)).patch(await gated(fence), {"spec": {"schedulingGates": None}})


async def test_whoever_has_the_verb_for_one_profile_may_assign_that_one_alone(fence: Fence) -> None:
    name = f"assigner-{fence.number()}"
    verb = {"apiGroups": [names.GROUP], "resources": ["tenantprofiles"], "resourceNames": [PROFILE]}
    rights = [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["patch"]}, {**verb, "verbs": ["assign"]}]
    await fence.grant(name, rights)
    client, path = await fence.user(name), await free_namespace(fence)
    with pytest.raises(ApiError, match="ask for the verb assign on tenantprofiles/another"):
        await client.patch(path, assign("another"))
    await client.patch(path, assign(PROFILE))
    await client.patch(path, assign(None))


async def test_whoever_has_the_verb_marks_nodes(fence: Fence) -> None:
    name = f"marker-{fence.number()}"
    verb = {"apiGroups": [names.GROUP], "resources": ["tenantprofiles"], "verbs": ["markwarm"]}
    await fence.grant(name, [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["patch"]}, verb])
    client, path = await fence.user(name), await marked_node(fence)
    await client.patch(path, labels(WARM_LABEL, None) | {"spec": {"taints": None}})


async def test_the_scheduler_nominates_where_it_preempts_and_binds(fence: Fence) -> None:
    scheduler = await fence.user("system:kube-scheduler")
    await scheduler.patch(f"{await plain(fence)}/status", nominate("warm"))
    await scheduler.patch(f"{await nominated(fence)}/status", nominate(None))
    bind = await binding(annotations={"example.com/device": "0"})(fence)
    await bind(scheduler, {})


async def test_the_second_scheduler_binds(fence: Fence) -> None:
    bind = await binding()(fence)
    await bind(await fence.account(names.SCHEDULER), {})


async def test_not_even_a_scheduler_writes_a_forecast_by_binding(fence: Fence) -> None:
    bind = await binding(annotations={names.FORECAST_ANNOTATION: FORECAST})(fence)
    with pytest.raises(ApiError, match="remove them from the binding"):
        await bind(await fence.user("system:kube-scheduler"), {})


async def test_a_kubelet_registers_with_the_startup_taint_and_reports(fence: Fence) -> None:
    name = f"registering-{fence.number()}"
    client = await kubelet(fence, name)
    await client.create(NODES, node(name) | {"spec": {"taints": [TAINT]}})
    status = {"status": {"conditions": [READY], "images": [{"names": ["a"], "sizeBytes": 1}]}}
    await client.patch(f"{NODES}/{name}/status", status, STRATEGIC_PATCH)
    stored = await client.get(f"{NODES}/{name}")
    assert names.NOT_WARM_TAINT in {taint["key"] for taint in stored["spec"]["taints"]}


async def test_a_kubelet_does_not_call_itself_warm(fence: Fence) -> None:
    name = f"boasting-{fence.number()}"
    client = await kubelet(fence, name)
    with pytest.raises(ApiError, match=r"the label stoker\.dev/warm is written by Stoker"):
        await client.create(NODES, node(name, labels={WARM_LABEL: "true"}))


async def test_a_kubelet_reports_on_pods_and_shows_its_static_ones(fence: Fence) -> None:
    name = f"running-{fence.number()}"
    client = await kubelet(fence, name)
    path = await nominated(fence)
    status = {"conditions": [{**READY, "reason": "Started"}], "phase": "Running"}
    await client.patch(f"{path}/status", {"status": status}, STRATEGIC_PATCH)
    await client.create(PODS, mirror(f"static-{name}", runtimeClassName=None, nodeName=name))


async def test_a_provisioner_gives_a_node_that_registers_its_startup_taint(fence: Fence) -> None:
    name = f"provisioner-{fence.number()}"
    await fence.grant(name, [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]}])
    client = await fence.user(name)
    await (await kubelet(fence, f"{name}-node")).create(NODES, node(f"{name}-node") | tainted(UNREGISTERED))
    path = f"{NODES}/{name}-node"
    await client.patch(path, labels("mine", "yes"))
    await client.patch(path, tainted(UNREGISTERED, TAINT))
    await client.patch(path, labels("karpenter.sh/registered", "true") | tainted(TAINT))
    with pytest.raises(ApiError, match=r"the taint stoker\.dev/not-warm is lifted by Stoker"):
        await client.patch(path, tainted())


async def test_the_node_lifecycle_controller_taints_and_untaints(fence: Fence) -> None:
    path = await marked_node(fence)

    async def tainted() -> bool:
        taints = (await fence.administrator.get(path))["spec"]["taints"]
        return NOT_READY["key"] in {taint["key"] for taint in taints}

    async def untainted() -> bool:
        return not await tainted()

    await eventually(tainted, "a node without a heartbeat keeps no taint", SOON)
    status = {"status": {"conditions": [READY]}}
    await fence.administrator.patch(f"{path}/status", status, STRATEGIC_PATCH)
    await eventually(untainted, "the taint of a Ready node stays", SOON)


async def test_an_administrators_daemon_set_gets_its_pods_in_a_tenants_namespace(fence: Fence) -> None:
    name = f"agents-{fence.number()}"
    await bare_node(fence)
    await fence.administrator.create(DAEMON_SETS, daemon_set(name, runtimeClassName=None))
    await eventually(pods_of(fence, name), "the DaemonSet has no pod", SOON)
    await fence.administrator.delete(f"{DAEMON_SETS}/{name}")


async def test_a_tenant_changes_all_but_the_template_of_an_administrators_daemon_set(
    fence: Fence, editor: ApiClient
) -> None:
    await editor.patch(await administrators_daemons(fence), labels("mine", "yes"))


async def test_a_tenant_takes_the_node_out_of_a_daemon_set(fence: Fence, editor: ApiClient) -> None:
    await editor.patch(await administrators_daemons(fence), on_node(None))


async def test_a_tenants_deployment_gets_its_pods(fence: Fence, editor: ApiClient) -> None:
    name = f"web-{fence.number()}"
    document = daemon_set(name) | {"kind": "Deployment"}
    await editor.create(f"/apis/apps/v1/namespaces/{TENANT}/deployments", document)
    await eventually(pods_of(fence, name), "the Deployment has no pod", SOON)


def pods_of(fence: Fence, app: str) -> Callable[[], Awaitable[bool]]:
    async def there() -> bool:
        return bool((await fence.administrator.get(PODS, labelSelector=f"app={app}"))["items"])

    return there


def with_the_profiles_annotation(name: str) -> Document:
    return annotated(pod(name, schedulingGates=[GATE]), **{names.PROFILE_ANNOTATION: PROFILE})


@pytest.mark.parametrize("namespace", ["tenant", "free"])
async def test_a_user_creates_pods(fence: Fence, editor: ApiClient, namespace: str) -> None:
    document = pod(f"agent-{fence.number()}", nodeName=None if namespace == TENANT else "mine")
    await editor.create(f"{NAMESPACES}/{namespace}/pods", document)


async def test_a_pod_as_the_webhook_leaves_it_is_stored(fence: Fence, editor: ApiClient) -> None:
    await editor.create(PODS, with_the_profiles_annotation(f"agent-{fence.number()}"))


async def test_a_peer_pod_as_the_webhook_leaves_it_is_stored(fence: Fence, editor: ApiClient) -> None:
    await editor.create(PEER_PODS, peer_pod(f"peer-{fence.number()}"))


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {"mine": "yes"}, "annotations": {"mine": "yes"}}},
        {"metadata": {"finalizers": ["example.com/mine"]}},
        {"spec": {"schedulingGates": [GATE]}},
    ],
    ids=["labels and annotations", "finalizers", "opening the gate of another"],
)
async def test_a_user_changes_what_is_the_users(fence: Fence, editor: ApiClient, change: Document) -> None:
    request = await patching(gated, change)(fence)
    await request(editor, {})


async def test_a_user_deletes_a_gated_pod(fence: Fence, editor: ApiClient) -> None:
    await editor.delete(await gated(fence))


async def test_namespaces_without_a_change_of_profile_are_anybodys(fence: Fence, widened: ApiClient) -> None:
    name = f"ordinary-{fence.number()}"
    await widened.create(NAMESPACES, node(name, labels={"mine": "yes"}))
    await widened.patch(f"{NAMESPACES}/{TENANT}", labels("mine", "yes"))
    await widened.delete(f"{NAMESPACES}/{name}")


async def test_the_api_server_finds_nothing_to_warn_of_in_the_policies(fence: Fence) -> None:
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"

    async def checked() -> bool:
        items = (await fence.administrator.get(path))["items"]
        return all(item.get("status", {}).get("observedGeneration") for item in items)

    await eventually(checked, "the policies were not type-checked", SOON)
    items = (await fence.administrator.get(path))["items"]
    warnings = {item["metadata"]["name"]: item["status"]["typeChecking"] for item in items}
    assert {name: told for name, told in warnings.items() if told} == {}
