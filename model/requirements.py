"""What a pod requires of a node, and whether a node satisfies it: the scheduler's filters that Stoker judges itself.

A runtime class's own nodeSelector and tolerations stand in the pod already: admission merges them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from model import names
from model.resources import Amounts
from model.selectors import NodeTerm
from model.taints import HARD_EFFECTS, UNSCHEDULABLE, Taint, Toleration, is_tolerated

STARTUP_TAINTS: Final = frozenset(
    {
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/network-unavailable",
        "node.cloudprovider.kubernetes.io/uninitialized",
        "node.cilium.io/agent-not-ready",
        "karpenter.sh/unregistered",
        names.NOT_WARM_TAINT,
    }
)
"""Keys of the taints that a node loses by itself while it becomes ready."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What any node must offer; pods with equal requirements fit the same nodes."""

    amounts: Amounts
    node_selector: tuple[tuple[str, str], ...] = ()
    node_terms: tuple[NodeTerm, ...] | None = None
    """Required node affinity: one of these must match. None without any; an empty tuple matches no node."""

    tolerations: tuple[Toleration, ...] = ()
    repelled: frozenset[tuple[str, str]] = frozenset()
    """Labels of the nodes that are closed to it: the topology domains of pods whose required anti-affinity means it."""


@dataclass(frozen=True, slots=True)
class NodeTraits:
    """What of a node decides who may be placed there, besides its resources."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    cordoned: bool = False

    def once_started(self) -> NodeTraits:
        """The node as it will be when its start is over: without startup taints, and labelled by kata-deploy."""
        taints = tuple(taint for taint in self.taints if taint.key not in STARTUP_TAINTS)
        return replace(self, labels={**self.labels, names.KATA_LABEL: "true"}, taints=taints)


class Refusal(StrEnum):
    """Why a node may not take a pod."""

    CORDONED = "cordoned"
    SELECTOR = "node-selector"
    AFFINITY = "node-affinity"
    TAINT = "taint"
    REPELLED = "anti-affinity"


def refusal(wanted: Requirements, node: NodeTraits) -> Refusal | None:
    """Why the scheduler would not consider the node, whatever room it has; None where it would."""
    if node.cordoned and not is_tolerated(UNSCHEDULABLE, wanted.tolerations):
        return Refusal.CORDONED
    labels = node.labels
    for key, value in wanted.node_selector:
        if labels.get(key) != value:
            return Refusal.SELECTOR
    if wanted.node_terms is not None and not any(term.matches(node.name, labels) for term in wanted.node_terms):
        return Refusal.AFFINITY
    for taint in node.taints:
        if taint.effect in HARD_EFFECTS and not is_tolerated(taint, wanted.tolerations):
            return Refusal.TAINT
    if wanted.repelled and not wanted.repelled.isdisjoint(labels.items()):
        return Refusal.REPELLED
    return None
