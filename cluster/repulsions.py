"""Which pods are kept away from where others are: the required anti-affinity of pods on their nodes.

The scheduler refuses a node to a pod that one running in its topology domain repels, so a nomination there is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from model.selectors import Expression, PodIdentity

EVERYWHERE: Final = ""
"""In place of a namespace: every one."""

TERMS_REMEMBERED: Final = 1_024


@dataclass(frozen=True, slots=True)
class Repulsion:
    """A required term: no pod of these namespaces (of every one: None) with such labels is let into the domain."""

    topology_key: str
    namespaces: frozenset[str] | None
    expressions: tuple[Expression, ...]


@lru_cache(TERMS_REMEMBERED)
def repulsion(topology_key: str, namespaces: frozenset[str] | None, expressions: tuple[Expression, ...]) -> Repulsion:
    """Pods made from one template share their terms."""
    return Repulsion(topology_key, namespaces, expressions)


class Repulsions:
    """The terms of the pods that have any, counted by node. A term is looked at only for pods of its namespaces."""

    def __init__(self) -> None:
        self._of_pods: dict[str, tuple[str, tuple[Repulsion, ...]]] = {}
        self._by_home: dict[str, dict[Repulsion, Counter[str]]] = {}

    def put(self, key: str, node: str, terms: tuple[Repulsion, ...]) -> None:
        """What the pod of that key repels from its node on, in place of what it did; no terms where it is gone."""
        was = self._of_pods.pop(key, None)
        if terms:
            self._of_pods[key] = node, terms
            self._count(node, terms, 1)
        if was is not None:
            self._count(*was, -1)

    def against(self, pod: PodIdentity) -> Iterator[tuple[str, str]]:
        """Node and topology key of each term that means the pod."""
        for home in (pod.namespace, EVERYWHERE):
            for term, nodes in self._by_home.get(home, {}).items():
                if all(item.matches(pod.labels) for item in term.expressions):
                    yield from ((node, term.topology_key) for node in nodes)

    def _count(self, node: str, terms: Iterable[Repulsion], change: int) -> None:
        for term in terms:
            for home in (EVERYWHERE,) if term.namespaces is None else term.namespaces:
                by_term = self._by_home.setdefault(home, {})
                nodes = by_term.setdefault(term, Counter())
                nodes[node] += change
                if not nodes[node]:
                    del nodes[node]
                if not nodes:
                    del by_term[term]
                if not by_term:
                    del self._by_home[home]
