"""The pods that are not bound and concern placement: those behind our gate, and those that name a node already."""

from __future__ import annotations

from collections.abc import Callable

from cluster import wire
from cluster.translation import is_finished
from model import names


def has_our_gate(pod: wire.Pod) -> bool:
    return any(gate.name == names.WARM_NODE_GATE for gate in pod.spec.scheduling_gates)


class WaitingPods:
    """Follows the pods; `pods` by uid. `observers` are called after each change of a pod that waits or waited."""

    def __init__(self) -> None:
        self.pods: dict[str, wire.Pod] = {}
        self.observers: list[Callable[[], None]] = []

    def pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        was_waiting = old is not None and self.pods.pop(old.metadata.uid, None) is not None
        waits = new is not None and _waits(new)
        if new is not None and waits:
            self.pods[new.metadata.uid] = new
        if was_waiting or waits:
            for observer in self.observers:
                observer()


def _waits(pod: wire.Pod) -> bool:
    if pod.spec.node_name or is_finished(pod) or pod.metadata.deletion_timestamp is not None:
        return False
    return has_our_gate(pod) or bool(pod.status.nominated_node_name)
