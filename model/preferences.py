"""What a pod would rather have: the soft terms by which kube-scheduler scores, and which a nominated pod skips.

They decide only among nodes whose forecasts are within two seconds. The points are those of the scheduler's default
plugins before it normalises them over the nodes, times the plugins' weights, so their order of size is the
scheduler's, not their exact sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log
from typing import Final

from model.requirements import NodeTraits
from model.selectors import NodeTerm, PodIdentity, PodSelector
from model.taints import SOFT_EFFECT, Toleration, is_tolerated

HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"

AFFINITY_POINTS: Final = 2.0
"""Per unit of a preferred term's weight: the default weight of NodeAffinity and of InterPodAffinity."""

TAINT_POINTS: Final = -300.0
"""Per PreferNoSchedule taint not tolerated: TaintToleration's weight of 3 times the full 100."""

SPREAD_POINTS: Final = -200.0
"""Per pod of the kind in the domain: PodTopologySpread's weight of 2 times the full 100."""

DEFAULT_SPREADS: Final = ((HOSTNAME, 3), (ZONE, 5))
"""Topology key and maxSkew of the scheduler's own constraints (defaultingType System), for pods without any."""


@dataclass(frozen=True, slots=True)
class NodePreference:
    weight: int
    term: NodeTerm


@dataclass(frozen=True, slots=True)
class PodPreference:
    """Preferred inter-pod affinity; a negative weight is anti-affinity."""

    weight: int
    topology_key: str
    selector: PodSelector


@dataclass(frozen=True, slots=True)
class SoftSpread:
    """A topology spread constraint with ScheduleAnyway."""

    topology_key: str
    max_skew: int
    selector: PodSelector


@dataclass(frozen=True, slots=True)
class Preferences:
    nodes: tuple[NodePreference, ...] = ()
    pods: tuple[PodPreference, ...] = ()
    spreads: tuple[SoftSpread, ...] = ()

    def selectors(self) -> set[PodSelector]:
        """The selectors whose pods have to be counted before the preferences can be judged."""
        return {item.selector for item in self.pods} | {item.selector for item in self.spreads}


@dataclass(frozen=True, slots=True)
class Attraction:
    """Points for a node by each pod of the selector that its domain has already; negative where pods repel."""

    topology_key: str
    selector: PodSelector
    points: float


def default_spreads(pod: PodIdentity) -> tuple[SoftSpread, ...]:
    """The scheduler's own constraints, over the pods of the same controller; none for a pod without one.

    The scheduler takes the selectors of the services and controllers that the pod belongs to; those of one controller
    are the nearest to that which the pod itself tells.
    """
    if not pod.owner:
        return ()
    selector = PodSelector(frozenset({pod.namespace}), owner=pod.owner)
    return tuple(SoftSpread(key, max_skew, selector) for key, max_skew in DEFAULT_SPREADS)


def standing_points(wanted: Preferences, tolerations: tuple[Toleration, ...], node: NodeTraits) -> float:
    """The points of a node whatever pods it has: preferred node affinity, and taints that only prefer."""
    weights = sum(item.weight for item in wanted.nodes if item.term.matches(node.name, node.labels))
    unwanted = sum(taint.effect == SOFT_EFFECT and not is_tolerated(taint, tolerations) for taint in node.taints)
    return AFFINITY_POINTS * weights + TAINT_POINTS * unwanted


def attractions(wanted: Preferences, domains: Mapping[str, int]) -> tuple[Attraction, ...]:
    """The preferences that depend on other pods, given how many domains each topology key has.

    A spread counts ln(domains + 2) ÷ maxSkew for each pod, as the scheduler weighs topologies of unequal size; that it
    tolerates more skew where maxSkew is larger is our reading of the scheduler's added maxSkew - 1.
    """
    by_pods = tuple(Attraction(item.topology_key, item.selector, AFFINITY_POINTS * item.weight) for item in wanted.pods)
    return by_pods + tuple(
        Attraction(
            item.topology_key,
            item.selector,
            SPREAD_POINTS * log(domains.get(item.topology_key, 0) + 2) / max(1, item.max_skew),
        )
        for item in wanted.spreads
    )


def census(
    pods: Iterable[tuple[str, PodIdentity]], selectors: Iterable[PodSelector]
) -> dict[PodSelector, dict[str, int]]:
    """How many of the pods, given with their nodes' names, each selector means on each node."""
    counts: dict[PodSelector, dict[str, int]] = {selector: {} for selector in selectors}
    by_home: dict[tuple[str, str], list[PodSelector]] = {}
    for selector in counts:
        for namespace in selector.namespaces:
            by_home.setdefault((namespace, selector.owner), []).append(selector)
    for node, pod in pods:
        homes = {(pod.namespace, pod.owner), (pod.namespace, "")}
        for selector in (item for home in homes for item in by_home.get(home, ())):
            if selector.matches(pod):
                counts[selector][node] = counts[selector].get(node, 0) + 1
    return counts
