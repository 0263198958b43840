"""Starts that are expected on nodes: the scheduler has our scores, and the watch does not show yet what it chose.

No verb of the extender tells the choice. So each pod that was scored counts as one start, spread evenly over the nodes
that tied for the best, until the watch shows its binding or `EXPECTED_SECONDS` pass. Without this, a burst would be
scored as if each of its pods were the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EXPECTED_SECONDS: Final = 2.0
"""Wall seconds: scheduling a pod takes milliseconds, its binding reaches the watch in tens of them."""


@dataclass(frozen=True, slots=True)
class _Expectation:
    expires: float
    nodes: tuple[str, ...]


class ExpectedStarts:
    """Expected starts by node; `now` is a monotonic wall time in seconds."""

    def __init__(self) -> None:
        self._pods: dict[str, _Expectation] = {}
        self._shares: dict[str, float] = {}

    def on(self, node: str) -> float:
        return self._shares.get(node, 0.0)

    def expect(self, pod_uid: str, nodes: Sequence[str], now: float) -> None:
        """A pod is about to be bound to one of `nodes`; what was expected of it before is forgotten."""
        self.forget(pod_uid)
        if not nodes:
            return
        self._pods[pod_uid] = _Expectation(now + EXPECTED_SECONDS, tuple(nodes))
        for node in nodes:
            self._shares[node] = self._shares.get(node, 0.0) + 1 / len(nodes)

    def forget(self, pod_uid: str) -> bool:
        """The pod's binding was seen, or is no longer expected; tells whether it was expected until now."""
        expectation = self._pods.pop(pod_uid, None)
        if expectation is None:
            return False
        for node in expectation.nodes:
            left = self._shares[node] - 1 / len(expectation.nodes)
            if left > 1e-9:  # sums of shares are not exact
                self._shares[node] = left
            else:
                del self._shares[node]
        return True

    def expire(self, now: float) -> int:
        """Forget what is overdue, and tell how much. Pods stand in the order of their expiry: all get the same time."""
        overdue = []
        for uid, expectation in self._pods.items():
            if expectation.expires > now:
                break
            overdue.append(uid)
        for uid in overdue:
            self.forget(uid)
        return len(overdue)
