"""Pods to nodes at the least total cost, exactly: successive shortest paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

Costs = Sequence[Sequence[float]]
"""Of each pod on each node; infinite where it cannot go there."""

_EPSILON = 1e-9


def least_cost_nodes(
    costs: Costs, slots: Sequence[int], congestion: Callable[[int], float] = lambda _: 0.0
) -> list[int | None]:
    """The node of each pod; None for pods that find no place any more.

    Least is the sum of the pods' costs and, for each node with k pods, of congestion(1) to congestion(k), which must
    not fall. Pods enter one by one along the shortest path of moves that makes room for them; since the placement
    before was the least one, so is the placement after (min-cost flow, unit capacities).
    """
    return _Flow(costs, slots, congestion).solve()


class _Flow:
    def __init__(self, costs: Costs, slots: Sequence[int], congestion: Callable[[int], float]) -> None:
        self._costs = costs
        self._slots = slots
        self._congestion = congestion
        self._placed: list[int | None] = [None] * len(costs)
        self._on: list[set[int]] = [set() for _ in slots]

    def solve(self) -> list[int | None]:
        for pod in range(len(self._costs)):
            self._enter(pod)
        return self._placed

    def _enter(self, pod: int) -> None:
        distance, mover = list(self._costs[pod]), [pod] * len(self._slots)
        moves = self._moves()
        changed = True
        while changed:
            changed = False
            for origin, target, cost, moved in moves:
                if distance[origin] + cost < distance[target] - _EPSILON:
                    distance[target], mover[target] = distance[origin] + cost, moved
                    changed = True
        ends = [
            (distance[node] + self._congestion(len(pods) + 1), node)
            for node, pods in enumerate(self._on)
            if len(pods) < self._slots[node] and distance[node] < inf
        ]
        if ends:
            self._follow(min(ends)[1], mover, pod)

    def _moves(self) -> list[tuple[int, int, float, int]]:
        """From each node to each other the pod that costs least to be moved: (from, to, cost, pod)."""
        moves = []
        for origin, pods in enumerate(self._on):
            for target in range(len(self._slots)) if pods else ():
                cost, moved = min((self._costs[pod][target] - self._costs[pod][origin], pod) for pod in pods)
                if target != origin and cost < inf:
                    moves.append((origin, target, cost, moved))
        return moves

    def _follow(self, end: int, mover: Sequence[int], pod: int) -> None:
        """Carry out the moves, the last one first."""
        node = end
        while True:
            moved = mover[node]
            origin = self._placed[moved]
            self._placed[moved] = node
            self._on[node].add(moved)
            if moved == pod or origin is None:
                return
            self._on[origin].discard(moved)
            node = origin
