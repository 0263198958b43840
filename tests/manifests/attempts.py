"""What a tenant might try against Stoker: the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cluster.client import STRATEGIC_PATCH
from model import names
from tests.manifests.fence import FREE, PROFILE, daemon_set, node, pod
from tests.manifests.requests import (
    APPLY_PATCH,
    DAEMON_SETS,
    FORECAST,
    GATE,
    JSON_PATCH,
    NAMESPACES,
    NODES,
    PEER_PODS,
    PODS,
    RECORD,
    TAINT,
    UNREGISTERED,
    WARM_LABEL,
    Prepare,
    administrators_daemons,
    annotated,
    annotating,
    assign,
    bare_node,
    binding,
    classless,
    creating,
    crowded,
    daemons,
    daemons_without_a_profile,
    forecast,
    free_namespace,
    gated,
    labelled_namespace,
    labels,
    marked_node,
    mirror,
    nominate,
    nominated,
    nominated_to_mine,
    of_another_class,
    on_node,
    opted_out,
    owned,
    patching,
    patching_twice,
    peer,
    peer_pod,
    plain,
    remember,
    remembering,
    replacing,
    restarted,
    tainted,
    ungated,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """`name` says what is tried; `policy` is the one that must refuse it, unless `other` does so before it.

    Of two policies that refuse, the API server names either.

    `administrators`: whether a cluster administrator, who has every verb, is let through.
    """

    name: str
    policy: str
    prepare: Prepare
    administrators: bool = True
    other: str = ""

    def is_refused_by(self, answer: str) -> bool:
        """Whether the answer names one of them."""
        policies = filter(None, (self.policy, self.other))
        return any(f"ValidatingAdmissionPolicy '{policy}'" in answer for policy in policies)


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
        other="stoker-creation",
    ),
    Attempt(
        "a pod without the class, and with more owners than an expression may look at",
        "stoker-classes",
        creating(PODS, crowded),
        administrators=False,
    ),
    Attempt(
        "a forged mirror pod without the class",
        "stoker-classes",
        creating(PODS, lambda name: mirror(name, runtimeClassName=None)),
        other="stoker-creation",
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

OF_TEMPLATES: Final = [
    Attempt(
        "a DaemonSet that names a node",
        "stoker-templates",
        creating(DAEMON_SETS, lambda name: daemon_set(name, nodeName="mine")),
    ),
    Attempt("naming a node in a DaemonSet", "stoker-templates", patching(daemons, on_node("mine"))),
    Attempt(
        "moving an administrator's DaemonSet to another node",
        "stoker-templates",
        patching(administrators_daemons, on_node("another")),
    ),
    Attempt(
        "naming a node in a DaemonSet where the profile does not exist",
        "stoker-templates",
        patching(daemons_without_a_profile, on_node("mine")),
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

OF_PEER_PODS: Final = [
    Attempt(
        "a peer pod's record under a profile without peer pods",
        "stoker-peerpods",
        creating(PODS, lambda n: remembering(pod(n))),
    ),
    Attempt(
        "a peer pod's record on a pod without a virtual machine",
        "stoker-peerpods",
        creating(PEER_PODS, lambda n: remembering(pod(n))),
    ),
    Attempt(
        "a peer pod's record in a namespace without a profile",
        "stoker-creation",
        creating(f"{NAMESPACES}/{FREE}/pods", lambda n: remembering(peer_pod(n))),
    ),
    Attempt("writing a peer pod's record", "stoker-changes", patching(plain, remember(RECORD))),
    Attempt("changing what a peer pod remembers", "stoker-changes", patching(peer, remember("{}"))),
    Attempt("taking a peer pod's record away", "stoker-changes", patching(peer, remember(None))),
    Attempt(
        "changing what a peer pod remembers through the status",
        "stoker-changes",
        patching(peer, remember("{}"), subresource="/status"),
    ),
    Attempt(
        "writing a peer pod's record by a binding",
        "stoker-bindings",
        binding(annotations={names.PEER_POD_ANNOTATION: RECORD}),
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
    Attempt("tainting a node", "stoker-nodes", patching(bare_node, tainted(TAINT))),
    Attempt("saying that a node is being registered", "stoker-nodes", patching(bare_node, tainted(UNREGISTERED))),
    Attempt(
        "saying that a node is being registered, and then tainting it",
        "stoker-nodes",
        patching_twice(bare_node, tainted(UNREGISTERED), tainted(UNREGISTERED, TAINT)),
    ),
    Attempt("saying so and tainting it at once", "stoker-nodes", patching(bare_node, tainted(UNREGISTERED, TAINT))),
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

ATTEMPTS: Final = [
    *(*OF_CLASSES, *OF_TEMPLATES, *OF_CREATION, *OF_PEER_PODS, *OF_GATES, *OF_CHANGES, *OF_NAMESPACES, *OF_NODES)
]
