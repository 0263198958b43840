"""Requests to the API server about a tenant's things: what they are about, what they change, and how they are made."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from cluster.client import MERGE_PATCH, ApiClient
from model import names
from tests.builders import container
from tests.manifests.fence import (
    OTHER_CLASS,
    PEER_PROFILE,
    PEERS,
    PROFILE,
    TENANT,
    Document,
    Fence,
    daemon_set,
    node,
    pod,
)
from webhook.peerpods import VM

JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
PODS: Final = f"/api/v1/namespaces/{TENANT}/pods"
PEER_PODS: Final = f"/api/v1/namespaces/{PEERS}/pods"
DAEMON_SETS: Final = f"/apis/apps/v1/namespaces/{TENANT}/daemonsets"
NAMESPACES: Final = "/api/v1/namespaces"
NODES: Final = "/api/v1/nodes"
FORECAST: Final = json.dumps({"node": "mine", "seconds": 1})
RECORD: Final = json.dumps({"containers": {"agent": {"limits": {"cpu": "2"}}}})
GATE: Final = {"name": names.WARM_NODE_GATE}
WARM_LABEL: Final = "stoker.dev/warm"
TAINT: Final = {"key": names.NOT_WARM_TAINT, "effect": "NoSchedule"}
UNREGISTERED: Final = {"key": "karpenter.sh/unregistered", "effect": "NoExecute"}

Query = Mapping[str, str]
Request = Callable[[ApiClient, Query], Awaitable[Any]]
"""Does it as whose client it is, with these words in the query."""

Prepare = Callable[[Fence], Awaitable[Request]]
"""Makes what the attempt is about, as the administrator, and tells the attempt."""


def creating(path: str, body: Callable[[str], Document]) -> Prepare:
    async def prepare(fence: Fence) -> Request:
        document = body(f"new-{fence.number()}")
        return lambda client, words: client.create(path, document, **words)

    return prepare


def classless(name: str) -> Document:
    return pod(name, runtimeClassName=None)


def of_another_class(name: str) -> Document:
    return pod(name, runtimeClassName=OTHER_CLASS)


def crowded(name: str) -> Document:
    """Without the class; a megabyte of owners, each a DaemonSet that does not control it."""
    owner = {"apiVersion": "v1", "kind": "DaemonSet", "name": "a", "uid": "a"}
    return pod(name, runtimeClassName=None) | {"metadata": {"name": name, "ownerReferences": [owner] * 14_000}}


def owned(name: str, **spec: Any) -> Document:
    """A pod that says it is a DaemonSet's."""
    document = pod(name, **spec)
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "forged", "uid": "1-2-3", "controller": True}
    document["metadata"]["ownerReferences"] = [owner]
    return document


def annotated(document: Document, **annotations: str) -> Document:
    return {**document, "metadata": {**document["metadata"], "annotations": annotations}}


def mirror(name: str, **spec: Any) -> Document:
    spec = {"nodeName": "mine", "automountServiceAccountToken": False, **spec}
    return annotated(pod(name, **spec), **{names.MIRROR_ANNOTATION: "0123"})


async def gated(fence: Fence) -> str:
    """The path of a pod that waits behind our gate, held with a forecast."""
    name = f"gated-{fence.number()}"
    annotations = {names.PROFILE_ANNOTATION: PROFILE, names.FORECAST_ANNOTATION: FORECAST}
    document = annotated(pod(name, schedulingGates=[GATE, {"name": "example.com/other"}]), **annotations)
    await fence.administrator.create(PODS, document)
    return f"{PODS}/{name}"


async def nominated(fence: Fence) -> str:
    """The path of a pod with a nomination of Stoker's, its gate open."""
    name = f"nominated-{fence.number()}"
    await fence.administrator.create(PODS, annotated(pod(name), **{names.FORECAST_ANNOTATION: FORECAST}))
    await fence.administrator.patch(f"{PODS}/{name}/status", {"status": {"nominatedNodeName": "warm"}})
    return f"{PODS}/{name}"


async def plain(fence: Fence) -> str:
    """The path of a pod that nothing is known of."""
    name = f"plain-{fence.number()}"
    await fence.administrator.create(PODS, pod(name))
    return f"{PODS}/{name}"


def remembering(document: Document, record: str = RECORD) -> Document:
    """A pod with what a peer pod remembers."""
    return annotated(document, **{names.PEER_POD_ANNOTATION: record})


def peer_pod(name: str) -> Document:
    """As the webhook leaves it."""
    machine = {"limits": {VM: "1"}, "requests": {VM: "1"}}
    annotations = {names.PROFILE_ANNOTATION: PEER_PROFILE, names.PEER_POD_ANNOTATION: RECORD}
    return annotated(pod(name, containers=[container(resources=machine)]), **annotations)


async def peer(fence: Fence) -> str:
    """The path of a peer pod."""
    name = f"peer-{fence.number()}"
    await fence.administrator.create(PEER_PODS, peer_pod(name))
    return f"{PEER_PODS}/{name}"


async def marked_node(fence: Fence) -> str:
    """The path of a node with Stoker's label, annotation and taint."""
    name = f"marked-{fence.number()}"
    annotations = {names.RUNTIME_RESTARTED_ANNOTATION: "2026-01-01T00:00:00Z"}
    document = node(name, labels={WARM_LABEL: "true"}, annotations=annotations) | {"spec": {"taints": [TAINT]}}
    await fence.administrator.create(NODES, document)
    return f"{NODES}/{name}"


async def bare_node(fence: Fence) -> str:
    name = f"bare-{fence.number()}"
    await fence.administrator.create(NODES, node(name))
    return f"{NODES}/{name}"


async def labelled_namespace(fence: Fence) -> str:
    name = f"labelled-{fence.number()}"
    await fence.administrator.create(NAMESPACES, node(name, labels={names.PROFILE_LABEL: PROFILE}))
    return f"{NAMESPACES}/{name}"


async def free_namespace(fence: Fence) -> str:
    name = f"free-{fence.number()}"
    await fence.administrator.create(NAMESPACES, node(name))
    return f"{NAMESPACES}/{name}"


async def daemons(fence: Fence) -> str:
    name = f"daemons-{fence.number()}"
    await fence.administrator.create(DAEMON_SETS, daemon_set(name))
    return f"{DAEMON_SETS}/{name}"


async def administrators_daemons(fence: Fence) -> str:
    """The path of a DaemonSet for which an administrator chose a node."""
    name = f"agents-{fence.number()}"
    await fence.administrator.create(DAEMON_SETS, daemon_set(name, nodeName="mine"))
    return f"{DAEMON_SETS}/{name}"


async def daemons_without_a_profile(fence: Fence) -> str:
    """The path of a DaemonSet in a namespace whose profile does not exist."""
    name = f"orphaned-{fence.number()}"
    await fence.namespace(name, {names.PROFILE_LABEL: "gone"})
    path = f"/apis/apps/v1/namespaces/{name}/daemonsets"
    await fence.administrator.create(path, daemon_set(name))
    return f"{path}/{name}"


Target = Callable[[Fence], Awaitable[str]]


def patching(
    target: Target, body: Any, content_type: str = MERGE_PATCH, subresource: str = "", **query: str
) -> Prepare:
    async def prepare(fence: Fence) -> Request:
        path = await target(fence) + subresource
        return lambda client, words: client.patch(path, body, content_type, **query, **words)

    return prepare


def patching_twice(target: Target, first: Any, second: Any) -> Prepare:
    """Two patches by the same client, the second after the first."""

    async def prepare(fence: Fence) -> Request:
        path = await target(fence)

        async def request(client: ApiClient, words: Query) -> None:
            await client.patch(path, first, **words)
            await client.patch(path, second, **words)

        return request

    return prepare


def replacing(target: Target, change: Callable[[Document], None], subresource: str = "") -> Prepare:
    """PUT of the object as it is but for `change`."""

    async def prepare(fence: Fence) -> Request:
        path = await target(fence)
        document = await fence.administrator.get(path)
        change(document)
        del document["metadata"]["resourceVersion"]
        return lambda client, words: client.update(path + subresource, document, **words)

    return prepare


def binding(legacy: bool = False, **metadata: Any) -> Prepare:
    async def prepare(fence: Fence) -> Request:
        path = await plain(fence)
        name = path.rpartition("/")[2]
        body = {"metadata": {"name": name, **metadata}, "target": {"kind": "Node", "name": "mine"}}
        where = f"/api/v1/namespaces/{TENANT}/bindings" if legacy else f"{path}/binding"
        return lambda client, words: client.create(where, body, **words)

    return prepare


def annotating(**members: str | None) -> Document:
    return {"metadata": {"annotations": members}}


def labels(key: str, value: str | None) -> Document:
    return {"metadata": {"labels": {key: value}}}


def nominate(node_name: str | None) -> Document:
    return {"status": {"nominatedNodeName": node_name}}


def forecast(value: str | None) -> Document:
    return annotating(**{names.FORECAST_ANNOTATION: value})


def remember(value: str | None) -> Document:
    return annotating(**{names.PEER_POD_ANNOTATION: value})


def on_node(node_name: str | None) -> Document:
    """For a DaemonSet."""
    return {"spec": {"template": {"spec": {"nodeName": node_name}}}}


def tainted(*taints: Document) -> Document:
    return {"spec": {"taints": list(taints)}}


def restarted(value: str | None) -> Document:
    return annotating(**{names.RUNTIME_RESTARTED_ANNOTATION: value})


def assign(value: str | None) -> Document:
    return labels(names.PROFILE_LABEL, value)


def ungated(document: Document) -> None:
    document["spec"]["schedulingGates"] = [{"name": "example.com/other"}]


def nominated_to_mine(document: Document) -> None:
    document["status"]["nominatedNodeName"] = "mine"


def opted_out(document: Document) -> None:
    del document["metadata"]["labels"][names.PROFILE_LABEL]
