"""The choice of a node for the next pod of a group: the least seconds, and within the tie what the pod prefers.

Within `TIE_SECONDS` of the best, nodes are ordered by: warm now before about to be warm; within the budget of starts
before beyond it; more points of preference; fewer seconds; name. So a wait is chosen only where it is better by more
than the tie than anything that can be had now.

To look at each node once rather than once a pod, nodes of the tie stand in buckets of equal standing points and equal
shared domains (zones), each a heap by what is the node's own; placements only make a node slower or fuller, so an
entry that has grown stale is found when it comes to the top. (Where pods attract one another, a node on which another
group placed a pod may be noticed late; this costs a preference, never seconds.)
"""

from __future__ import annotations

import heapq

from model.preferences import standing_points
from model.score import TIE_SECONDS
from placement.inputs import FleetState, GatedPod
from placement.plan import Member, Plan
from placement.tallies import Pull

Standing = tuple[bool, bool, float, float, str]
"""The order within a bucket: waits, is beyond its budget, repulsion of its own pods, seconds, name."""

Bucket = tuple[float, tuple[str | None, ...]]
"""Standing points, and the domain by each shared tally."""


class Window:
    """The candidates of one group as its pods are placed one by one; all pods of a group have equal preferences."""

    def __init__(self, pod: GatedPod, pulls: tuple[Pull, ...], fleet: FleetState, plan: Plan) -> None:
        self._pod = pod
        self._fleet = fleet
        self._plan = plan
        self._shared = tuple(pull for pull in pulls if pull[0].is_shared)
        self._own = tuple(pull for pull in pulls if not pull[0].is_shared)
        self._by_seconds: list[tuple[float, str]] | None = None
        self._next = 0
        self._buckets: dict[Bucket, list[Standing]] = {}
        self._parked: list[tuple[float, str]] = []

    def best(self, member: Member) -> float | None:
        """The least seconds that a candidate offers the member; None where none is left."""
        if self._by_seconds is None:
            self._by_seconds = list(member.candidates.ranked)
        heap = self._by_seconds
        while heap:
            seconds = self._plan.seconds(member, heap[0][1])
            if seconds is None:
                heapq.heappop(heap)
            elif seconds > heap[0][0]:
                heapq.heapreplace(heap, (seconds, heap[0][1]))
            else:
                return seconds
        return None

    def beyond(self, member: Member) -> float | None:
        """The least seconds beyond the tie with the best, as things stand: what the pod gets if it misses the tie."""
        best = self.best(member)
        if best is None:
            return None
        self._admit(member, best + TIE_SECONDS)
        ranked = member.candidates.ranked
        while self._next < len(ranked):
            seconds, name = ranked[self._next]
            if self._plan.seconds(member, name) is not None:
                return seconds
            self._next += 1
        return None

    def choose(self, member: Member) -> str | None:
        """The node for the member; None where no candidate is left."""
        best = self.best(member)
        if best is None:
            return None
        limit = best + TIE_SECONDS
        self._admit(member, limit)
        chosen: Standing | None = None
        for bucket, heap in self._buckets.items():
            if (top := self._top(member, heap, limit)) is not None:
                waits, is_spent, repulsion, seconds, name = top
                standing = waits, is_spent, repulsion - self._points(bucket), seconds, name
                chosen = standing if chosen is None else min(chosen, standing)
        return chosen[-1] if chosen else None

    def _admit(self, member: Member, limit: float) -> None:
        """Take in what has come within the tie, because the best has become slower."""
        ranked = member.candidates.ranked
        while self._next < len(ranked) and ranked[self._next][0] <= limit:
            self._push(member, ranked[self._next][1])
            self._next += 1
        while self._parked and self._parked[0][0] <= limit:
            self._push(member, heapq.heappop(self._parked)[1])

    def _push(self, member: Member, name: str) -> None:
        seconds = self._plan.seconds(member, name)
        if seconds is not None:
            heap = self._buckets.setdefault(self._bucket(name), [])
            heapq.heappush(heap, self._standing(member, name, seconds))

    def _top(self, member: Member, heap: list[Standing], limit: float) -> Standing | None:
        while heap:
            name = heap[0][-1]
            seconds = self._plan.seconds(member, name)
            if seconds is None:
                heapq.heappop(heap)
            elif seconds > limit:
                heapq.heappop(heap)
                heapq.heappush(self._parked, (seconds, name))
            elif (standing := self._standing(member, name, seconds)) != heap[0]:
                heapq.heapreplace(heap, standing)
            else:
                return standing
        return None

    def _standing(self, member: Member, name: str, seconds: float) -> Standing:
        traits = self._fleet.nodes[name].traits
        repulsion = -sum(points * tally.count(tally.domain(traits)) for tally, points in self._own)
        candidates = member.candidates
        return not candidates.is_warm(name), self._plan.is_spent(candidates, name), repulsion, seconds, name

    def _bucket(self, name: str) -> Bucket:
        traits = self._fleet.nodes[name].traits
        standing = standing_points(self._pod.preferences, self._pod.requirements.tolerations, traits)
        return standing, tuple(tally.domain(traits) for tally, _ in self._shared)

    def _points(self, bucket: Bucket) -> float:
        standing, domains = bucket
        return standing + sum(
            points * tally.count(domain) for (tally, points), domain in zip(self._shared, domains, strict=True)
        )
