"""From API objects to what placement weighs: what pods require and prefer, what nodes offer. Pure functions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from cluster import wire
from cluster.repulsions import Repulsion, shared
from model import names
from model.errors import InvalidInput
from model.preferences import (
    NodePreference,
    PodPreference,
    Preferences,
    SoftSpread,
    default_spreads,
)
from model.quantities import amount
from model.requirements import NodeTraits, Requirements
from model.resources import Amounts, ContainerRequests, pod_amounts
from model.selectors import Expression, NodeTerm, PodIdentity, PodSelector
from model.taints import Taint, Toleration

SCHEDULE_ANYWAY = "ScheduleAnyway"

RESIZE_PENDING = "PodResizePending"
INFEASIBLE = "Infeasible"

DEMANDS_REMEMBERED: Final = 1_024
"""Different sets of requests whose sums are kept: a cluster has few beside its pods, which are made from templates.
Sums that no pod has any more are among them, so there are not many."""

_Quantities = tuple[tuple[str, str], ...]


def requirements_of(pod: wire.Pod) -> Requirements:
    """What any node must offer; raises InvalidInput for a quantity that is none."""
    spec = pod.spec
    required = spec.affinity.node_affinity.required if spec.affinity and spec.affinity.node_affinity else None
    return Requirements(
        amounts=amounts_of(pod),
        node_selector=tuple(sorted(spec.node_selector.items())),
        node_terms=None if required is None else tuple(map(_node_term, required.node_selector_terms)),
        tolerations=tuple(Toleration(item.key, item.operator, item.value, item.effect) for item in spec.tolerations),
    )


def amounts_of(pod: wire.Pod) -> Amounts:
    """What the pod takes of a node; raises InvalidInput for a quantity that is none. Equal pods share the answer."""
    spec, status = pod.spec, pod.status
    statuses = {
        item.name: item
        for item in (*status.container_statuses, *status.init_container_statuses)
        if item.resources is not None
    }
    initial: list[tuple[_Quantities, bool]] = []
    for item in spec.init_containers:
        is_sidecar = item.restart_policy == "Always"
        told = statuses.get(item.name) if is_sidecar else None
        initial.append((_effective(item.resources.requests, told, status), is_sidecar))
    main = [_effective(item.resources.requests, statuses.get(item.name), status) for item in spec.containers]
    whole = _effective(spec.resources.requests, status, status) if spec.resources.requests else ()
    return _amounts(tuple(initial), tuple(main), tuple(spec.overhead.items()), whole)


def _effective(
    wanted: Mapping[str, str], told: wire.ContainerStatus | wire.PodStatus | None, pod: wire.PodStatus
) -> _Quantities:
    """What counts of something that may be on its way to another size: the largest of wanted, in force and allocated.

    Without what is wanted where the kubelet has refused it (determineEffectiveRequests of k8s.io/component-helpers).
    """
    if told is None or told.resources is None:
        return tuple(wanted.items())
    in_force, allocated = told.resources.requests, told.allocated_resources
    if in_force == wanted and (not allocated or allocated == wanted):
        return tuple(wanted.items())
    counted = [in_force, allocated, *(() if _is_refused(pod) else (wanted,))]
    largest: dict[str, str] = {}
    for name, text in (pair for requests in counted for pair in requests.items()):
        if name not in largest or amount(name, text) > amount(name, largest[name]):
            largest[name] = text
    return tuple(largest.items())


def _is_refused(pod: wire.PodStatus) -> bool:
    """Whether the kubelet can never give the pod the size it is to have."""
    return any(item.type == RESIZE_PENDING and item.reason == INFEASIBLE for item in pod.conditions)


@lru_cache(DEMANDS_REMEMBERED)
def _amounts(
    initial: tuple[tuple[_Quantities, bool], ...],
    main: tuple[_Quantities, ...],
    overhead: _Quantities,
    pod: _Quantities,
) -> Amounts:
    """Init containers come first, in their order, as they run; the bool says which of them are sidecars."""
    first = [ContainerRequests(dict(requests), is_init=True, is_sidecar=sidecar) for requests, sidecar in initial]
    return pod_amounts([*first, *(ContainerRequests(dict(requests)) for requests in main)], dict(overhead), dict(pod))


def preferences_of(pod: wire.Pod) -> Preferences:
    """What the pod would rather have; the scheduler's default spreading where it has no constraints of its own."""
    spec, identity = pod.spec, identity_of(pod)
    affinity = spec.affinity or wire.Affinity()
    nodes = affinity.node_affinity.preferred if affinity.node_affinity else []
    near = affinity.pod_affinity.preferred if affinity.pod_affinity else []
    far = affinity.pod_anti_affinity.preferred if affinity.pod_anti_affinity else []
    constraints = spec.topology_spread_constraints
    own = tuple(
        SoftSpread(item.topology_key, item.max_skew, _pod_selector(item.label_selector, pod, ()))
        for item in constraints
        if item.when_unsatisfiable == SCHEDULE_ANYWAY
    )
    return Preferences(
        nodes=tuple(NodePreference(item.weight, _node_term(item.preference)) for item in nodes),
        pods=(*_pod_preferences(near, pod, 1), *_pod_preferences(far, pod, -1)),
        spreads=own if constraints else default_spreads(identity),
    )


def unjudged(pod: wire.Pod) -> str:
    """What the pod requires that only the scheduler can judge; empty for nothing.

    A pod behind a gate of somebody else's as well is among them: a nomination would reserve its node for as long as
    that gate stays closed.
    """
    spec = pod.spec
    containers = (*spec.init_containers, *spec.containers)
    affinity = spec.affinity or wire.Affinity()
    checks = (
        ("volumes", any(item.restricts_nodes for item in spec.volumes)),
        ("pod affinity", bool(affinity.pod_affinity and affinity.pod_affinity.required)),
        ("pod anti-affinity", repels(pod)),
        (
            "topology spread",
            any(item.when_unsatisfiable != SCHEDULE_ANYWAY for item in spec.topology_spread_constraints),
        ),
        ("host ports", any(port.host_port for item in containers for port in item.ports)),
        ("resource claims", bool(spec.resource_claims)),
        ("another's gate", any(gate.name != names.WARM_NODE_GATE for gate in spec.scheduling_gates)),
    )
    return ", ".join(name for name, asked in checks if asked)


def repels(pod: wire.Pod) -> bool:
    """Whether it has required anti-affinity at all, as few pods do."""
    affinity = pod.spec.affinity
    return bool(affinity and affinity.pod_anti_affinity and affinity.pod_anti_affinity.required)


def repulsions_of(pod: wire.Pod) -> tuple[Repulsion, ...]:
    """The pods that its required anti-affinity keeps away: those of every namespace where a selector picks namespaces,
    since namespaces' labels are not at hand."""
    affinity = pod.spec.affinity
    if affinity is None or affinity.pod_anti_affinity is None:
        return ()
    return shared(tuple(_repulsions(affinity.pod_anti_affinity.required, pod)))


def identity_of(pod: wire.Pod) -> PodIdentity:
    owner = ""
    for item in pod.metadata.owner_references:
        if item.controller:
            owner = f"{item.kind}/{item.name}"
            break
    return PodIdentity(pod.metadata.namespace, pod.metadata.labels, owner)


def traits_of(node: wire.Node) -> NodeTraits:
    """Labels are interned: nodes have the same keys, and mostly the same values."""
    taints = tuple([Taint(item.key, item.effect, item.value) for item in node.spec.taints])
    labels = {sys.intern(key): sys.intern(value) for key, value in node.metadata.labels.items()}
    return NodeTraits(node.metadata.name, labels, taints, node.spec.unschedulable)


def allocatable_of(node: wire.Node) -> Mapping[str, int]:
    """Amounts by resource; what cannot be read is not there. Nodes of a kind share the answer."""
    return _allocatable(tuple(node.status.allocatable.items()))


@lru_cache(DEMANDS_REMEMBERED)
def _allocatable(quantities: _Quantities) -> Mapping[str, int]:
    return MappingProxyType(dict(_readable(quantities)))


def _readable(quantities: _Quantities) -> Iterator[tuple[str, int]]:
    for name, text in quantities:
        try:
            yield name, amount(name, text)
        except InvalidInput:
            continue


def _expressions(items: Iterable[wire.SelectorRequirement]) -> tuple[Expression, ...]:
    return tuple(Expression(item.key, item.operator, tuple(item.values)) for item in items)


def _node_term(term: wire.NodeSelectorTerm) -> NodeTerm:
    return NodeTerm(_expressions(term.match_expressions), _expressions(term.match_fields))


def _pod_selector(selector: wire.LabelSelector | None, pod: wire.Pod, namespaces: Iterable[str]) -> PodSelector:
    """The pods that a label selector means, in the namespaces named, else in the pod's own; without one, none."""
    if selector is None:
        return PodSelector(frozenset())
    labels = tuple(Expression(key, "In", (value,)) for key, value in sorted(selector.match_labels.items()))
    homes = frozenset(namespaces) or frozenset({pod.metadata.namespace})
    return PodSelector(homes, labels + _expressions(selector.match_expressions))


def _repulsions(terms: Iterable[wire.PodAffinityTerm], pod: wire.Pod) -> Iterator[Repulsion]:
    for term in terms:
        if term.label_selector is not None:
            selector = _pod_selector(term.label_selector, pod, term.namespaces)
            homes = selector.namespaces if term.namespace_selector is None else None
            yield Repulsion(term.topology_key, homes, selector.expressions)


def _pod_preferences(
    terms: Iterable[wire.WeightedPodAffinityTerm], pod: wire.Pod, sign: int
) -> Iterator[PodPreference]:
    """Terms over namespaces that a selector picks are passed over: namespaces' labels are not at hand."""
    for item in terms:
        term = item.pod_affinity_term
        if term.namespace_selector is None:
            selector = _pod_selector(term.label_selector, pod, term.namespaces)
            yield PodPreference(sign * item.weight, term.topology_key, selector)
