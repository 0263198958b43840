"""Taints and tolerations, as the scheduler's TaintToleration and NodeUnschedulable plugins read them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HARD_EFFECTS: Final = frozenset({"NoSchedule", "NoExecute"})
SOFT_EFFECT: Final = "PreferNoSchedule"


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    effect: str
    value: str = ""


UNSCHEDULABLE: Final = Taint("node.kubernetes.io/unschedulable", "NoSchedule")
"""What a pod has to tolerate to be placed on a cordoned node, whether the taint has been set yet or not."""


@dataclass(frozen=True, slots=True)
class Toleration:
    """A toleration of a pod's; an empty key with Exists tolerates all, an empty effect means every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        if (self.effect and self.effect != taint.effect) or (self.key and self.key != taint.key):
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.operator in ("", "Equal") and self.value == taint.value


def is_tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(toleration.tolerates(taint) for toleration in tolerations)
