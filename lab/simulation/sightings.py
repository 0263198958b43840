"""What the fleet's watch saw of a pod before it was bound: its gate, its nomination. Moments are wall times."""

from __future__ import annotations

from dataclasses import dataclass

from lab.simulation.pods import Pod


@dataclass(slots=True)
class Sighting:
    """One pod's way to its binding, as seen by one watch: to the tenth of a second, where the API writes whole ones."""

    namespace: str
    name: str
    created_unix: float
    """When the watch first told of it, or its creator's own word."""

    gated: bool = False
    """Whether it was ever seen with a scheduling gate."""

    gate_opened_unix: float | None = None
    """When it was first seen without gates; None while it has one."""

    nominated_node: str = ""
    """The node that was nominated last; the API server clears the field at the binding."""

    stranded_since_unix: float | None = None
    """Since when it is Unschedulable with a nomination on it, which keeps autoscalers from helping."""

    stranded_wall_seconds: float = 0.0
    """The longest such time that is over."""

    def note(self, pod: Pod, now_unix: float) -> None:
        """Take in the pod as it is now."""
        if pod.spec.scheduling_gates:
            self.gated = True
        elif self.gate_opened_unix is None:
            self.gate_opened_unix = now_unix if self.gated else self.created_unix
        if pod.status.nominated_node_name:
            self.nominated_node = pod.status.nominated_node_name
        stranded = pod.is_unschedulable and bool(pod.status.nominated_node_name)
        if stranded and self.stranded_since_unix is None:
            self.stranded_since_unix = now_unix
        elif not stranded and self.stranded_since_unix is not None:
            self._freed(now_unix)

    def _freed(self, now_unix: float) -> None:
        if self.stranded_since_unix is not None:
            self.stranded_wall_seconds = max(self.stranded_wall_seconds, now_unix - self.stranded_since_unix)
        self.stranded_since_unix = None

    def gate_wall_seconds(self, now_unix: float) -> float:
        """From the creation until the gates were gone, or until now."""
        return (now_unix if self.gate_opened_unix is None else self.gate_opened_unix) - self.created_unix

    def longest_stranded_wall_seconds(self, now_unix: float) -> float:
        """The longest time in which it was Unschedulable with a nomination, one that lasts until now included."""
        lasting = 0.0 if self.stranded_since_unix is None else now_unix - self.stranded_since_unix
        return max(self.stranded_wall_seconds, lasting)
