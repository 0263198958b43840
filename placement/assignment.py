"""Many pods at once, as one assignment: the plan with the least total seconds that the nodes have room for.

Pods of higher priority are placed first. Among equals the group goes first that would lose most by missing its best
nodes (Vogel's regret, between the tie of the best and the first node beyond it, not between two equal nodes); it
places pods until its best has become worse by more than the tie, and then the regrets are compared anew. What this
greedy choice got wrong, `placement.improvement` exchanges.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from model.preferences import Preferences
from model.score import TIE_SECONDS
from placement.candidates import Candidates, Prospects
from placement.improvement import improve
from placement.inputs import FleetState, GatedPod, GroupKey
from placement.plan import Member, Plan
from placement.tallies import Pull, Tallies
from placement.window import Window

REGRET_WITHOUT_CHOICE: Final = 1e9
"""What a group without any second choice loses: it goes before all that have one."""


class Assignment:
    """The plan, and for each pod its group's candidates (those of a pod without a node say why it has none)."""

    def __init__(self, plan: Plan, candidates: dict[str, Candidates]) -> None:
        self.plan = plan
        self.candidates = candidates


class _Group:
    """Pods with equal candidates and equal preferences, the earliest deadline first."""

    def __init__(self, members: Iterable[Member], window: Window) -> None:
        self.members = deque(sorted(members, key=lambda item: (item.wait_seconds, item.pod.uid)))
        self.window = window

    def regret(self) -> float:
        probe = self.members[-1]
        best = self.window.best(probe)
        if best is None:
            return 0.0
        beyond = self.window.beyond(probe)
        return REGRET_WITHOUT_CHOICE if beyond is None else beyond - best

    def place(self, plan: Plan) -> None:
        """Place pods until none is left, or no candidate, or the best is worse by more than the tie.

        A warm node goes to the pod whose deadline is next, a node that is about to be warm to the one that can wait
        longest.
        """
        probe = self.members[-1]
        first = self.window.best(probe)
        while first is not None and (name := self.window.choose(probe)) is not None:
            is_warm = probe.candidates.is_warm(name)
            plan.put(self.members.popleft() if is_warm else self.members.pop(), name)
            if not self.members:
                return
            probe = self.members[-1]
            best = self.window.best(probe)
            if best is not None and best > first + TIE_SECONDS:
                return
        self.members.clear()


def assign(pods: Sequence[GatedPod], fleet: FleetState, now: float) -> Assignment:
    """Place as many of the pods as possible; the order in which pods and nodes are given does not matter."""
    prospects, plan = Prospects(now), Plan(fleet)
    candidates: dict[GroupKey, Candidates] = {}
    for pod in pods:
        if pod.group not in candidates:
            candidates[pod.group] = Candidates(pod, fleet, prospects, now)
    of_pod = {pod.uid: candidates[pod.group] for pod in pods}
    tallies = Tallies(pods, fleet)
    pulls = {pod.preferences: tallies.pulls(pod.preferences) for pod in pods}
    members = [Member(pod, of_pod[pod.uid], tallies.counting(pod), pod.deadline - now) for pod in pods]
    members.sort(key=lambda item: (-item.pod.priority, item.pod.uid))
    for _, level in groupby(members, key=lambda item: item.pod.priority):
        equals = list(level)
        _place(_groups(equals, pulls, fleet, plan), plan)
        improve(equals, plan)
    return Assignment(plan, of_pod)


def _groups(
    members: Iterable[Member], pulls: dict[Preferences, tuple[Pull, ...]], fleet: FleetState, plan: Plan
) -> list[_Group]:
    """Group pods whose candidates are the same and whose preferences come to the same."""
    by_key: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        wanted = member.pod.preferences
        key = id(member.candidates), wanted.nodes, pulls[wanted]
        by_key.setdefault(key, []).append(member)
    return [
        _Group(group, Window(group[0].pod, pulls[group[0].pod.preferences], fleet, plan)) for group in by_key.values()
    ]


def _place(groups: list[_Group], plan: Plan) -> None:
    """The group with the greatest regret first; regrets are taken anew when a group's turn comes."""
    queue = [(-group.regret(), index) for index, group in enumerate(groups)]
    heapq.heapify(queue)
    while queue:
        _, index = heapq.heappop(queue)
        group = groups[index]
        regret = group.regret()
        if queue and -regret > queue[0][0]:
            heapq.heappush(queue, (-regret, index))
            continue
        group.place(plan)
        if group.members:
            heapq.heappush(queue, (-group.regret(), index))
