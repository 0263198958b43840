"""How many pods of a kind each topology domain has, kept up to date while pods are placed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from model.preferences import HOSTNAME, Attraction, Preferences, attractions, census
from model.requirements import NodeTraits
from model.selectors import PodSelector
from placement.inputs import FleetState, GatedPod

MOST_SHARED_DOMAINS: Final = 100
"""A topology key with more domains than this is treated as one of a node's own, like the host name."""


class Tally:
    """Counts of the pods that one selector means, by the domains of one topology key."""

    def __init__(self, topology_key: str, selector: PodSelector, *, is_shared: bool) -> None:
        self.topology_key = topology_key
        self.selector = selector
        self.is_shared = is_shared
        """Whether many nodes are in one domain."""

        self.nodes: set[str] = set()
        """Nodes on which such pods are or were."""

        self._counts: dict[str, int] = {}

    def domain(self, node: NodeTraits) -> str | None:
        found = node.labels.get(self.topology_key)
        return node.name if found is None and self.topology_key == HOSTNAME else found

    def count(self, domain: str | None) -> int:
        return self._counts.get(domain, 0) if domain is not None else 0

    def add(self, node: NodeTraits, pods: int) -> None:
        if (domain := self.domain(node)) is not None:
            self._counts[domain] = self._counts.get(domain, 0) + pods
            self.nodes.add(node.name)


Pull = tuple[Tally, float]
"""A tally, and the points that each pod in it gives to a node of its domain."""


class Tallies:
    """The tallies that the preferences of the pods at hand need, filled with the pods that are placed already.

    A preference over pods of which there is none but the one that has it decides nothing and is left out: so a
    hundred tenants with a pod each are still one group.
    """

    def __init__(self, pods: Iterable[GatedPod], fleet: FleetState) -> None:
        pods = list(pods)
        self._fleet = fleet
        self._domains: dict[str, int] = {}
        self._tallies: dict[tuple[str, PodSelector], Tally] = {}
        selectors = set().union(*(pod.preferences.selectors() for pod in pods))
        here = census((("", pod.identity) for pod in pods), selectors)
        self._relevant = {item for item in selectors if here[item].get("", 0) > 1 or fleet.census.get(item)}

    def pulls(self, wanted: Preferences) -> tuple[Pull, ...]:
        """What the preferences over other pods come to."""
        keys = {item.topology_key for item in wanted.pods} | {item.topology_key for item in wanted.spreads}
        domains = {key: self._domains_of(key) for key in keys} if self._relevant else {}
        relevant = [item for item in attractions(wanted, domains) if item.selector in self._relevant]
        return tuple((self._tally(item), item.points) for item in relevant)

    def counting(self, pod: GatedPod) -> tuple[Tally, ...]:
        """The tallies that grow when the pod is placed."""
        return tuple(tally for tally in self._tallies.values() if tally.selector.matches(pod.identity))

    def _tally(self, wanted: Attraction) -> Tally:
        key = wanted.topology_key, wanted.selector
        if key not in self._tallies:
            is_shared = wanted.topology_key != HOSTNAME and self._domains_of(key[0]) <= MOST_SHARED_DOMAINS
            tally = self._tallies[key] = Tally(*key, is_shared=is_shared)
            counts: Mapping[str, int] = self._fleet.census.get(wanted.selector, {})
            for name, pods in counts.items():
                if name in self._fleet.nodes:
                    tally.add(self._fleet.nodes[name].traits, pods)
        return self._tallies[key]

    def _domains_of(self, key: str) -> int:
        if key not in self._domains:
            if key == HOSTNAME:
                self._domains[key] = len(self._fleet.nodes)
            else:
                values = {node.traits.labels.get(key) for node in self._fleet.nodes.values()}
                self._domains[key] = len(values - {None})
        return self._domains[key]
