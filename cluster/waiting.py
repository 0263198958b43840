"""The pods that are not bound and concern placement: those behind our gate, and those that name a node already."""

from __future__ import annotations

from collections.abc import Callable

from cluster import wire
from cluster.clock import Clock
from cluster.translation import is_finished
from model import names

Observer = Callable[[wire.Pod | None, wire.Pod | None], None]
"""Told of a change as (old, new); no `new` where the pod is gone."""


def has_our_gate(pod: wire.Pod) -> bool:
    return any(gate.name == names.WARM_NODE_GATE for gate in pod.spec.scheduling_gates)


class WaitingPods:
    """Follows the pods; `pods` by uid. `observers` are called after each change of a pod that waits or waited."""

    def __init__(self, clock: Clock) -> None:
        self.pods: dict[str, wire.Pod] = {}
        self.first_seen: dict[str, float] = {}
        """When each of `pods` was first seen to wait, whoever led then."""

        self.observers: list[Observer] = []
        self._clock = clock

    def pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        was_waiting = old is not None and self.pods.pop(old.metadata.uid, None) is not None
        waits = new is not None and _waits(new)
        if new is not None and waits:
            self.pods[new.metadata.uid] = new
            self.first_seen.setdefault(new.metadata.uid, self._clock.now())
        if old is not None and old.metadata.uid not in self.pods:
            self.first_seen.pop(old.metadata.uid, None)
        if was_waiting or waits:
            for observer in self.observers:
                observer(old, new)


def _waits(pod: wire.Pod) -> bool:
    if pod.spec.node_name or is_finished(pod) or pod.metadata.deletion_timestamp is not None:
        return False
    return has_our_gate(pod) or bool(pod.status.nominated_node_name)
