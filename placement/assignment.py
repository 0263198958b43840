"""Many pods at once, as one assignment: the plan with the least total seconds that the nodes have room for.

Pods of higher priority are placed first. Among equals the group goes first that would lose most by missing its best
nodes (Vogel's regret, between the tie of the best and the first node beyond it, not between two equal nodes), for what
a pod of it takes of a node; it places pods until its best has become worse by more than the tie, and then the regrets
are compared anew. What this greedy choice got wrong, `placement.improvement` exchanges.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from model.score import TIE_SECONDS
from placement.candidates import CandidateLists, Candidates
from placement.improvement import finish, improve
from placement.inputs import FleetState, GatedPod
from placement.plan import Member, Plan
from placement.strata import StrataOf
from placement.tallies import Tallies
from placement.window import Window

REGRET_WITHOUT_CHOICE: Final = 1e9
"""What a group loses that has no node beyond the tie and may find no room within it: it goes before all others."""


class Assignment:
    """The plan, and for each pod its group's candidates (those of a pod without a node say why it has none)."""

    def __init__(self, plan: Plan, candidates: dict[str, Candidates]) -> None:
        self.plan = plan
        self.candidates = candidates


class _Group:
    """Pods with equal candidates and equal preferences, the earliest deadline first.

    `share` is what one of them takes of a node.
    """

    def __init__(self, members: Iterable[Member], window: Window, share: float) -> None:
        self.members = deque(sorted(members, key=lambda item: (item.wait_seconds, item.pod.uid)))
        self._window = window
        self._share = share

    def urgency(self, plan: Plan, crowd: int) -> float:
        """The regret for the share that is taken of a node; where a pod could end without any, the larger pods first.

        `crowd` is how many pods want nodes at all.
        """
        probe = self.members[-1]
        best = self._window.best(probe)
        if best is None:
            return 0.0
        beyond = self._window.beyond(probe)
        if beyond is not None:
            return (beyond - best) / self._share
        return 0.0 if self._has_room_for(crowd, plan) else REGRET_WITHOUT_CHOICE + self._share

    def _has_room_for(self, crowd: int, plan: Plan) -> bool:
        probe, slots = self.members[-1], 0
        for _, name in probe.candidates.ranked:
            slots += plan.slots(probe, name)
            if slots >= crowd:
                return True
        return False

    def place(self, plan: Plan) -> None:
        """Place pods until none is left, or no candidate, or the best is worse by more than the tie.

        A warm node goes to the pod whose deadline is next, a node that is about to be warm to the one that can wait
        longest.
        """
        probe = self.members[-1]
        first = self._window.best(probe)
        while first is not None and (name := self._window.choose(probe)) is not None:
            plan.put(self.members.popleft() if probe.candidates.is_warm(name) else self.members.pop(), name)
            if not self.members:
                return
            probe = self.members[-1]
            best = self._window.best(probe)
            if best is not None and best > first + TIE_SECONDS:
                return
        self.members.clear()


def assign(pods: Sequence[GatedPod], fleet: FleetState, now: float) -> Assignment:
    """Place as many of the pods as possible; the order in which pods and nodes are given does not matter."""
    lists, plan = CandidateLists(fleet, now), Plan(fleet)
    candidates = {pod.uid: lists.of(pod) for pod in pods}
    groups = _Groups(pods, candidates, fleet, plan)
    members = [Member(pod, candidates[pod.uid], groups.tallies.counting(pod), pod.deadline - now) for pod in pods]
    members.sort(key=lambda item: (-item.pod.priority, item.pod.uid))
    for _, level in groupby(members, key=lambda item: item.pod.priority):
        equals = list(level)
        _place(groups.of(equals), plan)
        improve(equals, plan)
    finish(members, plan)
    return Assignment(plan, candidates)


class _Groups:
    """Divides pods into groups; `tallies` count the pods that others prefer to be near or far from."""

    def __init__(
        self, pods: Sequence[GatedPod], candidates: dict[str, Candidates], fleet: FleetState, plan: Plan
    ) -> None:
        self.tallies = Tallies(pods, fleet)
        self._pulls = {
            preferences: self.tallies.pulls(preferences) for preferences in {pod.preferences for pod in pods}
        }
        self._candidates = candidates
        self._strata = StrataOf(fleet)
        self._fleet = fleet
        self._plan = plan

    def of(self, members: Iterable[Member]) -> list[_Group]:
        by_key: dict[object, list[Member]] = {}
        for member in members:
            wanted = member.pod.preferences
            key = id(member.candidates), wanted.nodes, self._pulls[wanted]
            by_key.setdefault(key, []).append(member)
        return [self._group(equals) for equals in by_key.values()]

    def _group(self, members: list[Member]) -> _Group:
        pod, candidates = members[0].pod, members[0].candidates
        pulls = self._pulls[pod.preferences]
        strata = self._strata.group(pod, candidates, pulls)
        return _Group(members, Window(pulls, strata, self._fleet, self._plan), self._share(candidates))

    def _share(self, candidates: Candidates) -> float:
        """The largest share that a pod takes of what is free on the best candidate."""
        if not candidates.ranked:
            return 1.0
        free = self._fleet.nodes[candidates.ranked[0][1]].free
        return max((value / free[name] for name, value in candidates.amounts), default=1.0)


def _place(groups: list[_Group], plan: Plan) -> None:
    """The most urgent group first; urgency is judged anew when a group's turn comes."""
    crowd = sum(len(group.members) for group in groups)
    queue = [(-group.urgency(plan, crowd), index) for index, group in enumerate(groups)]
    heapq.heapify(queue)
    while queue:
        _, index = heapq.heappop(queue)
        group = groups[index]
        urgency = group.urgency(plan, crowd)
        if queue and -urgency > queue[0][0]:
            heapq.heappush(queue, (-urgency, index))
            continue
        group.place(plan)
        if group.members:
            heapq.heappush(queue, (-group.urgency(plan, crowd), index))
