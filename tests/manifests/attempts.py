"""What a tenant might try against Stoker, as requests to the API server."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cluster.client import MERGE_PATCH, STRATEGIC_PATCH, ApiClient
from model import names
from tests.manifests.fence import FREE, OTHER_CLASS, PROFILE, TENANT, Document, Fence, daemon_set, node, pod

JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
PODS: Final = f"/api/v1/namespaces/{TENANT}/pods"
DAEMON_SETS: Final = f"/apis/apps/v1/namespaces/{TENANT}/daemonsets"
NAMESPACES: Final = "/api/v1/namespaces"
NODES: Final = "/api/v1/nodes"
FORECAST: Final = json.dumps({"node": "mine", "seconds": 1})
GATE: Final = {"name": names.WARM_NODE_GATE}
WARM_LABEL: Final = "stoker.dev/warm"
TAINT: Final = {"key": names.NOT_WARM_TAINT, "effect": "NoSchedule"}

Query = Mapping[str, str]
Request = Callable[[ApiClient, Query], Awaitable[Any]]
"""Does it as whose client it is, with these words in the query."""

Prepare = Callable[[Fence], Awaitable[Request]]
"""Makes what the attempt is about, as the administrator, and tells the attempt."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`name` says what is tried; `policy` is the one that must refuse it.

    `administrators`: whether a cluster administrator, who has every verb, is let through.
    """

    name: str
    policy: str
    prepare: Prepare
    administrators: bool = True


def creating(path: str, body: Callable[[str], Document]) -> Prepare:
    async def prepare(fence: Fence) -> Request:
        document = body(f"new-{fence.number()}")
        return lambda client, words: client.create(path, document, **words)

    return prepare


def classless(name: str) -> Document:
    return pod(name, runtimeClassName=None)


def of_another_class(name: str) -> Document:
    return pod(name, runtimeClassName=OTHER_CLASS)


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


Target = Callable[[Fence], Awaitable[str]]


def patching(
    target: Target, body: Any, content_type: str = MERGE_PATCH, subresource: str = "", **query: str
) -> Prepare:
    async def prepare(fence: Fence) -> Request:
        path = await target(fence) + subresource
        return lambda client, words: client.patch(path, body, content_type, **query, **words)

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


WARM_CONDITION: Final = {"type": "StokerWarm", "status": "True", "reason": "Mine"}
APPLIED_LABEL: Final = {"apiVersion": "v1", "kind": "Namespace", **assign(PROFILE)}
FORCED: Final = {"fieldManager": "mine", "force": "true"}

OF_CLASSES: Final = [
    Attempt("a pod without the class", "stoker-classes", creating(PODS, classless), administrators=False),
    Attempt("a pod of another class", "stoker-classes", creating(PODS, of_another_class), administrators=False),
    Attempt(
        "a forged DaemonSet's pod without the class",
        "stoker-classes",
        creating(PODS, lambda name: owned(name, runtimeClassName=None)),
    ),
    Attempt(
        "a forged mirror pod without the class",
        "stoker-classes",
        creating(PODS, lambda name: mirror(name, runtimeClassName=None)),
    ),
    Attempt(
        "a DaemonSet without the class",
        "stoker-daemonsets",
        creating(DAEMON_SETS, lambda name: daemon_set(name, runtimeClassName=None)),
    ),
    Attempt(
        "dropping the class from a DaemonSet",
        "stoker-daemonsets",
        patching(daemons, {"spec": {"template": {"spec": {"runtimeClassName": None}}}}),
    ),
]

OF_CREATION: Final = [
    Attempt("a pod that names its node", "stoker-creation", creating(PODS, lambda n: pod(n, nodeName="mine"))),
    Attempt("a forged DaemonSet's pod, to escape the gate", "stoker-creation", creating(PODS, owned)),
    Attempt("a forged mirror pod, to escape the webhook", "stoker-creation", creating(PODS, mirror)),
    Attempt(
        "a pod with a forecast of its own",
        "stoker-creation",
        creating(PODS, lambda n: annotated(pod(n), **{names.FORECAST_ANNOTATION: FORECAST})),
    ),
    Attempt(
        "a pod that says it has another profile",
        "stoker-creation",
        creating(PODS, lambda n: annotated(pod(n), **{names.PROFILE_ANNOTATION: "another"})),
    ),
    Attempt(
        "a pod with a profile in a namespace without one",
        "stoker-creation",
        creating(f"{NAMESPACES}/{FREE}/pods", lambda n: annotated(pod(n), **{names.PROFILE_ANNOTATION: PROFILE})),
    ),
]

OF_GATES: Final = [
    Attempt("opening every gate", "stoker-changes", patching(gated, {"spec": {"schedulingGates": None}})),
    Attempt(
        "opening the gate by a JSON patch",
        "stoker-changes",
        patching(gated, [{"op": "remove", "path": "/spec/schedulingGates/0"}], JSON_PATCH),
    ),
    Attempt(
        "opening the gate by a strategic patch",
        "stoker-changes",
        patching(gated, {"spec": {"schedulingGates": [{**GATE, "$patch": "delete"}]}}, STRATEGIC_PATCH),
    ),
    Attempt("opening the gate by replacing the pod", "stoker-changes", replacing(gated, ungated)),
]

OF_CHANGES: Final = [
    Attempt("writing a forecast", "stoker-changes", patching(plain, forecast(FORECAST))),
    Attempt("changing the forecast", "stoker-changes", patching(gated, forecast("{}"))),
    Attempt("removing the forecast", "stoker-changes", patching(nominated, forecast(None))),
    Attempt(
        "changing the profile of a pod",
        "stoker-changes",
        patching(gated, annotating(**{names.PROFILE_ANNOTATION: "another"})),
    ),
    Attempt(
        "writing a forecast into the status",
        "stoker-changes",
        patching(plain, forecast(FORECAST), subresource="/status"),
    ),
    Attempt(
        "removing the forecast through the status",
        "stoker-changes",
        patching(nominated, forecast(None), subresource="/status"),
    ),
    Attempt(
        "removing the profile of a pod through the status",
        "stoker-changes",
        patching(gated, annotating(**{names.PROFILE_ANNOTATION: None}), subresource="/status"),
    ),
    Attempt("nominating a node", "stoker-changes", patching(plain, nominate("mine"), subresource="/status")),
    Attempt(
        "nominating a node while gated", "stoker-changes", patching(gated, nominate("mine"), subresource="/status")
    ),
    Attempt("moving a nomination", "stoker-changes", replacing(nominated, nominated_to_mine, "/status")),
    Attempt("clearing a nomination", "stoker-changes", patching(nominated, nominate(None), subresource="/status")),
    Attempt("binding a pod to a node", "stoker-bindings", binding()),
    Attempt("binding by the older resource", "stoker-bindings", binding(legacy=True)),
    Attempt(
        "writing a forecast by a binding",
        "stoker-bindings",
        binding(annotations={names.FORECAST_ANNOTATION: FORECAST}),
    ),
]

OF_NAMESPACES: Final = [
    Attempt("giving a namespace a profile", "stoker-namespaces", patching(free_namespace, assign(PROFILE))),
    Attempt(
        "giving a namespace a profile by applying",
        "stoker-namespaces",
        patching(free_namespace, APPLIED_LABEL, APPLY_PATCH, **FORCED),
    ),
    Attempt("giving a namespace an empty profile", "stoker-namespaces", patching(free_namespace, assign(""))),
    Attempt("taking a namespace out of its profile", "stoker-namespaces", patching(labelled_namespace, assign(None))),
    Attempt("changing the profile of a namespace", "stoker-namespaces", patching(labelled_namespace, assign("weaker"))),
    Attempt(
        "a new namespace with a profile",
        "stoker-namespaces",
        creating(NAMESPACES, lambda n: node(n, labels={names.PROFILE_LABEL: PROFILE})),
    ),
    Attempt(
        "giving a profile through the status",
        "stoker-namespaces",
        patching(free_namespace, assign(PROFILE), subresource="/status"),
    ),
    Attempt(
        "taking the profile away through the status",
        "stoker-namespaces",
        patching(labelled_namespace, assign(None), subresource="/status"),
    ),
    Attempt(
        "taking the profile away by finalizing",
        "stoker-namespaces",
        replacing(labelled_namespace, opted_out, "/finalize"),
    ),
]

OF_NODES: Final = [
    Attempt("calling a node warm", "stoker-nodes", patching(bare_node, labels(WARM_LABEL, "true"))),
    Attempt("calling a node cold", "stoker-nodes", patching(marked_node, labels(WARM_LABEL, None))),
    Attempt("calling a node warm with no value", "stoker-nodes", patching(bare_node, labels(WARM_LABEL, ""))),
    Attempt("calling a new node warm", "stoker-nodes", creating(NODES, lambda n: node(n, labels={WARM_LABEL: "true"}))),
    Attempt("telling of a restart", "stoker-nodes", patching(bare_node, restarted("2026-01-01T00:00:00Z"))),
    Attempt("hiding a restart", "stoker-nodes", patching(marked_node, restarted(None))),
    Attempt("tainting a node", "stoker-nodes", patching(bare_node, {"spec": {"taints": [TAINT]}})),
    Attempt("lifting the taint", "stoker-nodes", patching(marked_node, {"spec": {"taints": None}})),
    Attempt(
        "calling a node warm through the status",
        "stoker-nodes",
        patching(bare_node, labels(WARM_LABEL, "true"), subresource="/status"),
    ),
    Attempt(
        "telling of a restart through the status",
        "stoker-nodes",
        patching(bare_node, restarted("2026-01-01T00:00:00Z"), subresource="/status"),
    ),
    Attempt(
        "writing the condition",
        "stoker-nodes",
        patching(bare_node, {"status": {"conditions": [WARM_CONDITION]}}, STRATEGIC_PATCH, "/status"),
    ),
]

ATTEMPTS: Final = [*OF_CLASSES, *OF_CREATION, *OF_GATES, *OF_CHANGES, *OF_NAMESPACES, *OF_NODES]
