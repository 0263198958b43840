"""Which pods are kept away from where others are: the required anti-affinity of pods on their nodes.

The scheduler refuses a node to a pod that one running in its topology domain repels, so a nomination there is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

from model.selectors import Expression, PodIdentity

EVERYWHERE: Final = ""
"""In place of a namespace: every one."""

TERMS_REMEMBERED: Final = 1_024

_Home = tuple[str, tuple[str, str] | None]
"""A namespace, and a label with its value."""


@dataclass(frozen=True, slots=True)
class Repulsion:
    """A required term: no pod of these namespaces (of every one: None) with such labels is let into the domain."""

    topology_key: str
    namespaces: frozenset[str] | None
    expressions: tuple[Expression, ...]

    def homes(self) -> Iterator[_Home]:
        """Where it is looked for: under a label that every pod has that it means, if it names one."""
        told = next((item for item in self.expressions if item.operator == "In"), None)
        marks = [None] if told is None else [(told.key, value) for value in told.values]
        for namespace in (EVERYWHERE,) if self.namespaces is None else self.namespaces:
            yield from ((namespace, mark) for mark in marks)


@lru_cache(TERMS_REMEMBERED)
def shared(terms: tuple[Repulsion, ...]) -> tuple[Repulsion, ...]:
    """The first terms that were equal to these: pods made from one template share theirs."""
    return terms


class Repulsions:
    """The terms of the pods that have any, counted by node. Only those are looked at that may mean the pod."""

    def __init__(self) -> None:
        self._of_pods: dict[str, tuple[str, tuple[Repulsion, ...]]] = {}
        self._by_home: dict[_Home, dict[Repulsion, dict[str, int]]] = {}

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
        if not self._by_home:
            return
        for home in product((pod.namespace, EVERYWHERE), (None, *pod.labels.items())):
            for term, nodes in self._by_home.get(home, {}).items():
                if all(item.matches(pod.labels) for item in term.expressions):
                    yield from ((node, term.topology_key) for node in nodes)

    def _count(self, node: str, terms: Iterable[Repulsion], change: int) -> None:
        for home, term in ((home, item) for item in terms for home in item.homes()):
            by_term = self._by_home.setdefault(home, {})
            nodes = by_term.setdefault(term, {})
            nodes[node] = nodes.get(node, 0) + change
            if not nodes[node]:
                del nodes[node]
            if not nodes:
                del by_term[term]
            if not by_term:
                del self._by_home[home]
