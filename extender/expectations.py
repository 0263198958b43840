"""Starts that are expected on nodes: the scheduler has our scores, and the watch does not show yet what it chose.

No verb of the extender tells the choice. So each pod that was scored counts as one start, spread evenly over the nodes
that tied for the best, until the watch shows its binding or `EXPECTED_SECONDS` pass. Without this, a burst would be
scored as if each of its pods were the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from extender.columns import Floats, Rows

EXPECTED_SECONDS: Final = 2.0
"""Wall seconds: scheduling a pod takes milliseconds, its binding reaches the watch in tens of them."""

SHARES_IN_ONE: Final = 2.0**32
"""A pod's share in a node is a multiple of 2^-32. Sums of such shares are exact in any order, for two million pods on
a node, so that what was added is taken away again without a rest."""


def share_of(nodes: int) -> float:
    """What each of so many nodes is expected to get of one pod."""
    return round(SHARES_IN_ONE / nodes) / SHARES_IN_ONE


@dataclass(slots=True)
class _Expectation:
    expires: float
    share: float
    packed: bytes
    """The nodes as a bit for each row: a burst may have hundreds of pods, each expected on thousands of nodes."""


class ExpectedStarts:
    """Expected starts by row of the roster; `now` is a monotonic wall time in seconds."""

    def __init__(self, capacity: int) -> None:
        self.shares: Floats = np.zeros(capacity)
        self._pods: dict[str, _Expectation] = {}

    def grow(self, capacity: int) -> None:
        """Have at least so many rows."""
        if capacity > len(self.shares):
            self.shares = np.concatenate([self.shares, np.zeros(capacity - len(self.shares))])

    def expect(self, pod_uid: str, rows: Rows, now: float) -> None:
        """A pod is about to be bound to one of these nodes; what was expected of it before is forgotten."""
        self.forget(pod_uid)
        if not rows.size:
            return
        mask = np.zeros(len(self.shares), np.bool_)
        mask[rows] = True
        once_each = mask.nonzero()[0]
        share = share_of(len(once_each))
        self._pods[pod_uid] = _Expectation(now + EXPECTED_SECONDS, share, np.packbits(mask).tobytes())
        self.shares[once_each] += share

    def forget(self, pod_uid: str) -> bool:
        """The pod's binding was seen, or is no longer expected; tells whether it was expected until now."""
        expectation = self._pods.pop(pod_uid, None)
        if expectation is None:
            return False
        mask = np.unpackbits(np.frombuffer(expectation.packed, np.uint8)).view(np.bool_)
        self.shares[mask.nonzero()[0]] -= expectation.share
        return True

    def vacate(self, row: int) -> None:
        """The node is gone: nothing is expected there any more, and nothing of it on the row's next node."""
        if row >= len(self.shares):
            return  # nothing was asked since the node came
        self.shares[row] = 0.0
        index, bit = row // 8, 0x80 >> row % 8
        for expectation in self._pods.values():
            packed = expectation.packed
            if index < len(packed) and packed[index] & bit:
                expectation.packed = packed[:index] + bytes([packed[index] & ~bit]) + packed[index + 1 :]

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
