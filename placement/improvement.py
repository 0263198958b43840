"""Exchanges between the pods of a plan, where these make the total of seconds less.

A few pods are taken out of the plan and put back in the best of all ways, found by branch and bound. Where few pods
are placed at once these are all of them, so the plan is the best there is. Where there are many, each pod that got
clearly less than its best node is tried together with the pods of other groups that sit on the nodes it would rather
have. The work is bounded by steps, not by time, so that equal inputs have equal plans.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final

from model.preferences import Preferences
from model.score import TIE_SECONDS
from placement.plan import Member, Plan

MOST_EXCHANGED: Final = 7
"""Pods that are exchanged at a time."""

NODES_TRIED: Final = 6
"""Nodes that each of them is tried on, the best first."""

STEPS_PER_EXCHANGE: Final = 3_000
STEPS_IN_ALL: Final = 4_000
"""Placements tried, in one exchange and in all of one level of priority: some tenths of a second at most."""

UNPLACED_SECONDS: Final = 1e6
"""What it counts that a pod gets no node: more than any start, so that first as many as possible are placed."""

LEAST_GAIN_SECONDS: Final = 0.001

MOST_EXCHANGES: Final = 60
"""Exchanges tried in one level of priority."""


def improve(members: Sequence[Member], plan: Plan) -> None:
    """Improve the placement of pods of equal priority in `plan`."""
    if len(members) <= MOST_EXCHANGED:
        _Exchange(members, plan, STEPS_PER_EXCHANGE).run(_cost_of_all(members, plan))
        return
    steps, exchanges = STEPS_IN_ALL, MOST_EXCHANGES
    tried: set[tuple[int, int]] = set()
    for member in members:
        behind = _seconds_behind(member, plan)
        kind = id(member.candidates), round(behind)
        if behind <= TIE_SECONDS or kind in tried:
            continue
        tried.add(kind)
        if partners := _partners(member, members, plan):
            exchange = _Exchange([member, *partners], plan, min(steps, STEPS_PER_EXCHANGE))
            if exchange.run(exchange.cost_of_coming_last()):
                tried.clear()
            steps, exchanges = steps - exchange.steps, exchanges - 1
            if steps <= 0 or not exchanges:
                return


def finish(members: Iterable[Member], plan: Plan) -> None:
    """Give what exchanges left over to pods without a node, then relieve nodes beyond their budgets for others as good.

    Only when all levels are placed is it known what pods of lower priority, or an exchange, brought to a node or took
    from another.
    """
    members = list(members)
    full: set[int] = set()
    for member in members:
        if member.pod.uid not in plan.placed and id(member.candidates) not in full:
            is_placed = _Exchange([member], plan, STEPS_PER_EXCHANGE).run(UNPLACED_SECONDS)
            if not is_placed and not member.candidates.waits:
                full.add(id(member.candidates))
    for member in members:
        name = plan.placed.get(member.pod.uid)
        if name is not None and plan.facts(name).starting > member.candidates.budget:
            exchange = _Exchange([member], plan, STEPS_PER_EXCHANGE)
            exchange.run(exchange.cost_of_coming_last())


def _cost_of_all(members: Sequence[Member], plan: Plan) -> float:
    """The weighed seconds of the pods of a level as they are placed."""
    here = [member for member in members if member.pod.uid in plan.placed]
    return UNPLACED_SECONDS * (len(members) - len(here)) + sum(map(plan.weighed_seconds_of, here))


def _seconds_behind(member: Member, plan: Plan) -> float:
    """How far the pod is behind what its best node offered before anything was placed."""
    candidates, name = member.candidates, plan.placed.get(member.pod.uid)
    if not candidates.ranked:
        return 0.0
    seconds = UNPLACED_SECONDS if name is None else candidates.seconds(plan.facts(name))
    return seconds - candidates.ranked[0][0]


def _partners(member: Member, members: Sequence[Member], plan: Plan) -> list[Member]:
    """Pods of other groups on nodes that the pod would rather have; of each group and node one."""
    here = plan.placed.get(member.pod.uid)
    bound = UNPLACED_SECONDS if here is None else member.candidates.seconds(plan.facts(here))
    found: dict[tuple[int, str], tuple[float, str, Member]] = {}
    better = takewhile(lambda item: item[0] < bound - LEAST_GAIN_SECONDS, member.candidates.ranked)
    ranks = {name: seconds for seconds, name in better}
    for other in members:
        name = plan.placed.get(other.pod.uid)
        if name is None or other.candidates is member.candidates or name not in ranks:
            continue
        kind = id(other.candidates), name
        if kind not in found:
            found[kind] = ranks[name] - other.candidates.seconds(plan.facts(name)), other.pod.uid, other
    return [item[-1] for item in sorted(found.values(), key=lambda item: item[:2])][: MOST_EXCHANGED - 1]


def _longest_seconds(member: Member) -> tuple[float, str]:
    """The order in which pods are put back: on one node, the pod with the shorter pulls goes first."""
    ranked = member.candidates.ranked
    return (ranked[-1][0] if ranked else 0.0), member.pod.uid


class _Exchange:
    """Branch and bound over the placements of a few pods, within a bound of steps."""

    def __init__(self, members: Sequence[Member], plan: Plan, most_steps: int) -> None:
        self._plan = plan
        self._members = sorted(members, key=_longest_seconds)
        self._most_steps = most_steps
        self.steps = 0
        self._best_seconds = 0.0
        self._best: dict[str, str | None] | None = None
        self._way: dict[str, str | None] = {}
        self._before = {item.pod.uid: plan.placed[item.pod.uid] for item in members if item.pod.uid in plan.placed}

    def run(self, cost_now: float) -> bool:
        """Put the members in the best way found that costs less than `cost_now`; tells whether there was one.

        They then come last on their nodes; if there was none, they keep their turns.
        """
        turns = self._take_all()
        self._best_seconds = cost_now - LEAST_GAIN_SECONDS
        least = [self._least(member) for member in self._members]
        self._descend(0, 0.0, [sum(least[index:]) for index in range(len(least) + 1)])
        if self._best is None:
            self._put_back(turns)
            return False
        for member in self._members:
            if (name := self._best[member.pod.uid]) is not None:
                self._plan.put(member, name)
        return True

    def cost_of_coming_last(self) -> float:
        """What the members cost where they are, if they came last there: comparable with any other way."""
        turns = self._take_all()
        seconds = UNPLACED_SECONDS * (len(self._members) - len(turns))
        for member, _ in turns:
            name = self._before[member.pod.uid]
            seconds += self._plan.weighed_seconds(member, name) or 0.0
            self._plan.put(member, name)
        for member, _ in turns:
            self._plan.take(member)
        self._put_back(turns)
        return seconds

    def _take_all(self) -> list[tuple[Member, int]]:
        """Take out the members that are placed; tells each one's turn on its node when it was taken."""
        return [(member, self._plan.take(member)) for member in self._members if member.pod.uid in self._before]

    def _put_back(self, turns: list[tuple[Member, int]]) -> None:
        for member, turn in reversed(turns):
            self._plan.put(member, self._before[member.pod.uid], turn)

    def _least(self, member: Member) -> float:
        return min((seconds for seconds, _ in self._choices(member)), default=UNPLACED_SECONDS)

    def _choices(self, member: Member) -> list[tuple[float, str]]:
        """The best nodes for a member as the plan stands; the ranks end the search where no later one can win.

        A pod with preferences pays the tie for leaving what suited them.
        """
        own = self._before.get(member.pod.uid)
        price = 0.0 if own is None or member.pod.preferences == Preferences() else TIE_SECONDS
        choices: list[tuple[float, str]] = []
        if own is not None and (weighed := self._plan.weighed_seconds(member, own)) is not None:
            choices.append((weighed, own))
        for least, name in member.candidates.ranked_by_weight:
            if len(choices) == NODES_TRIED and least + price >= choices[-1][0]:
                break
            weighed = None if name == own else self._plan.weighed_seconds(member, name)
            if weighed is not None:
                insort(choices, (weighed + price, name))
                del choices[NODES_TRIED:]
        return choices

    def _descend(self, index: int, spent: float, least_from: list[float]) -> None:
        if spent + least_from[index] >= self._best_seconds:
            return
        if index == len(self._members):
            self._best_seconds, self._best = spent, dict(self._way)
            return
        member = self._members[index]
        choices: list[tuple[float, str | None]] = [*self._choices(member), (UNPLACED_SECONDS, None)]
        for seconds, name in choices:
            if self.steps >= self._most_steps or spent + seconds + least_from[index + 1] >= self._best_seconds:
                return
            self.steps += 1
            self._way[member.pod.uid] = name
            if name is not None:
                self._plan.put(member, name)
            self._descend(index + 1, spent + seconds, least_from)
            if name is not None:
                self._plan.take(member)
