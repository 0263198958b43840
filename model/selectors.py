"""Kubernetes' selectors over labels, for nodes and for pods, as values that can be compared and hashed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

NODE_NAME_FIELD: Final = "metadata.name"
"""The only field that a node selector term may match."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Expression:
    """One requirement on a label: In, NotIn, Exists, DoesNotExist, Gt, Lt; any other operator matches nothing."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value)
            case _:
                return False

    def _compares(self, value: str | None) -> bool:
        """Label and bound must be whole numbers, else the requirement is not met."""
        bound = self.values[0] if len(self.values) == 1 else ""
        if value is None or not (_INTEGER.fullmatch(value) and _INTEGER.fullmatch(bound)):
            return False
        return int(value) > int(bound) if self.operator == "Gt" else int(value) < int(bound)


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """A node selector term: all its expressions and fields must match; an empty one matches no node."""

    expressions: tuple[Expression, ...] = ()
    fields: tuple[Expression, ...] = ()

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        if not (self.expressions or self.fields):
            return False
        by_field = {NODE_NAME_FIELD: name}
        return all(item.matches(labels) for item in self.expressions) and all(
            item.key in by_field and item.matches(by_field) for item in self.fields
        )


@dataclass(frozen=True, slots=True)
class PodSelector:
    """Pods by their labels, or by the owner that controls them; those of no namespace listed are never meant.

    Without expressions and without owner every pod of the namespaces is meant, as by Kubernetes' empty selector.
    """

    namespaces: frozenset[str]
    expressions: tuple[Expression, ...] = ()
    owner: str = ""

    def matches(self, pod: PodIdentity) -> bool:
        if pod.namespace not in self.namespaces or (self.owner and self.owner != pod.owner):
            return False
        return all(item.matches(pod.labels) for item in self.expressions)


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """What of a pod others may select it by; `owner` is the kind and name of its controller, empty for none."""

    namespace: str
    labels: Mapping[str, str]
    owner: str = ""
