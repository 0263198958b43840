"""The choice of a node for the next pod of a group: the least seconds, and within the tie what the pod prefers.

Within `TIE_SECONDS` of the best, nodes are ordered by: warm now before about to be warm; within the budget of starts
before beyond it; more points of preference; fewer seconds; name. So a wait is chosen only where it is better by more
than the tie than anything that can be had now.

Nodes of equal standing points in the same domains (zones) are a stratum, in which the first by seconds is the best; the
exceptions, which are nodes on which something was placed, on which there are pods that repel, which are not warm yet
or have spent their budget, stand in a heap beside it. Placements only make a node slower or fuller, so an exception
that has grown stale is found when it comes to the top. (Where pods attract one another, a node on which another group
placed a pod may be noticed late; this costs a preference, never seconds.)
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from model.score import TIE_SECONDS
from placement.inputs import FleetState
from placement.plan import Member, Plan
from placement.strata import Ranked, Strata, StratumKey
from placement.tallies import Pull, Tally

Standing = tuple[bool, bool, float, float, str]
"""The order of nodes: waits, is beyond its budget, repulsion, seconds, name."""


class Window:
    """The candidates of one group as its pods are placed one by one; all pods of a group have equal preferences."""

    def __init__(self, pulls: tuple[Pull, ...], strata: Strata, fleet: FleetState, plan: Plan) -> None:
        self._own = tuple(pull for pull in pulls if not pull[0].is_shared)
        shared = tuple(pull for pull in pulls if pull[0].is_shared)
        self._strata = [_Stratum(key, ranked, shared) for key, ranked in strata.items()]
        self._fleet = fleet
        self._plan = plan
        self._by_seconds: list[tuple[float, str]] | None = None
        self._beyond = 0
        self._attracting = {name for tally, points in self._own if points > 0 for name in tally.nodes}

    def best(self, member: Member) -> float | None:
        """The least seconds that a candidate offers the member; None where none is left."""
        if self._by_seconds is None:
            self._by_seconds = list(member.candidates.ranked)
            self._set_attracting_aside()
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
        ranked = member.candidates.ranked
        while best is not None and self._beyond < len(ranked):
            seconds, name = ranked[self._beyond]
            if seconds > best + TIE_SECONDS and self._plan.seconds(member, name) is not None:
                return seconds
            self._beyond += 1
        return None

    def choose(self, member: Member) -> str | None:
        """The node for the member; None where no candidate is left."""
        best = self.best(member)
        if best is None:
            return None
        limit = best + TIE_SECONDS
        tops = (
            (waits, is_spent, repulsion - stratum.points, seconds, name)
            for stratum in self._strata
            for waits, is_spent, repulsion, seconds, name in self._tops(member, stratum, limit)
        )
        chosen = min(tops, default=None)
        return chosen[-1] if chosen else None

    def _set_attracting_aside(self) -> None:
        """Nodes that a pod of theirs makes attractive may stand anywhere in their strata."""
        for stratum in self._strata if self._attracting else ():
            stratum.parked = [item for item in stratum.ranked if item[1] in self._attracting]

    def _tops(self, member: Member, stratum: _Stratum, limit: float) -> Iterator[Standing]:
        """The best node of a stratum that is as it was at first, and the best of the exceptions, within the limit."""
        while (first := stratum.first()) is not None and first[0] <= limit:
            standing = self._standing(member, first[1], first[0])
            if standing[:3] == (False, False, 0) and not self._plan.is_changed(first[1]):
                yield standing
                break
            stratum.set_aside(standing)
        while stratum.parked and stratum.parked[0][0] <= limit:
            seconds, name = heapq.heappop(stratum.parked)
            heapq.heappush(stratum.exceptions, self._standing(member, name, seconds))
        if (top := self._top_exception(member, stratum, limit)) is not None:
            yield top

    def _top_exception(self, member: Member, stratum: _Stratum, limit: float) -> Standing | None:
        heap = stratum.exceptions
        while heap:
            name = heap[0][-1]
            seconds = self._plan.seconds(member, name)
            if seconds is None:
                heapq.heappop(heap)
            elif seconds > limit:
                heapq.heappop(heap)
                heapq.heappush(stratum.parked, (seconds, name))
            elif (standing := self._standing(member, name, seconds)) != heap[0]:
                heapq.heapreplace(heap, standing)
            else:
                return standing
        return None

    def _standing(self, member: Member, name: str, seconds: float) -> Standing:
        candidates = member.candidates
        repulsion = 0.0
        if self._own:
            traits = self._fleet.nodes[name].traits
            repulsion = -sum(points * tally.count(tally.domain(traits)) for tally, points in self._own)
        return not candidates.is_warm(name), self._plan.is_spent(candidates, name), repulsion, seconds, name


class _Stratum:
    """Where one group stands in a stratum: `exceptions` by their standing, `parked` beyond the tie, by seconds."""

    def __init__(self, key: StratumKey, ranked: Ranked, shared: Iterable[Pull]) -> None:
        self._standing_points, domains = key
        self._shared: list[tuple[Tally, float, str | None]] = [
            (tally, points, domain) for (tally, points), domain in zip(shared, domains, strict=True)
        ]
        self.ranked = ranked
        self._next = 0
        self.exceptions: list[Standing] = []
        self.parked: list[tuple[float, str]] = []

    @property
    def points(self) -> float:
        """What all nodes of the stratum have in common, as things stand."""
        return self._standing_points + sum(points * tally.count(domain) for tally, points, domain in self._shared)

    def first(self) -> tuple[float, str] | None:
        return self.ranked[self._next] if self._next < len(self.ranked) else None

    def set_aside(self, standing: Standing) -> None:
        """The first is an exception."""
        self._next += 1
        heapq.heappush(self.exceptions, standing)
