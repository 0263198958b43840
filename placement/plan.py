"""A plan in the making: which pod goes to which node, and what that leaves for the pods after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from model.nodes import NodeFacts
from model.resources import lacking, reduced
from placement.candidates import Candidates
from placement.inputs import FleetState, GatedPod
from placement.tallies import Tally


class Member:
    """A pod to be placed, with its group's candidates and the tallies that count it wherever it goes."""

    __slots__ = ("candidates", "pod", "tallies", "wait_seconds")

    def __init__(self, pod: GatedPod, candidates: Candidates, tallies: tuple[Tally, ...], wait_seconds: float) -> None:
        self.pod = pod
        self.candidates = candidates
        self.tallies = tallies
        self.wait_seconds = wait_seconds
        """What is left until its deadline."""


class _State(NamedTuple):
    """A node as it was before a member was put on it."""

    member: Member
    facts: NodeFacts
    free: Mapping[str, int]


class Plan:
    """Placements so far, and each node as they leave it: its room, its starts, its pulls."""

    def __init__(self, fleet: FleetState) -> None:
        self._fleet = fleet
        self._facts: dict[str, NodeFacts] = {}
        self._free: dict[str, Mapping[str, int]] = {}
        self._history: dict[str, list[_State]] = {}
        self.placed: dict[str, str] = {}
        """The node of each placed pod, by its uid."""

    def facts(self, name: str) -> NodeFacts:
        return self._facts[name] if name in self._facts else self._fleet.nodes[name].facts

    def facts_for(self, uid: str) -> NodeFacts:
        """The node of a placed pod as the pods put there before it leave it."""
        return next(state.facts for state in self._history[self.placed[uid]] if state.member.pod.uid == uid)

    def is_changed(self, name: str) -> bool:
        """Whether anything was placed on the node, even if it was taken away again."""
        return name in self._facts

    def seconds(self, member: Member, name: str) -> float | None:
        """What one more pod takes on a candidate; None where it has no room, or is not warm before the deadline."""
        candidates = member.candidates
        if name not in candidates.at_first or candidates.waits.get(name, 0.0) > member.wait_seconds:
            return None
        if name not in self._facts:
            return candidates.at_first[name]
        if lacking(candidates.amounts, self._free[name]):
            return None
        return candidates.seconds(self._facts[name])

    def slots(self, member: Member, name: str) -> int:
        """How many such pods a candidate has room for."""
        if self.seconds(member, name) is None:
            return 0
        free = self._free.get(name, self._fleet.nodes[name].free)
        return min((free[resource] // value for resource, value in member.candidates.amounts), default=1)

    def weighed_seconds(self, member: Member, name: str) -> float | None:
        """The same, weighed by the candidates."""
        seconds = self.seconds(member, name)
        return None if seconds is None else member.candidates.weighed(seconds, self.facts(name))

    def weighed_seconds_of(self, member: Member) -> float:
        """The same of a pod that is placed, behind those placed before it."""
        candidates, facts = member.candidates, self.facts_for(member.pod.uid)
        return candidates.weighed(candidates.seconds(facts), facts)

    def is_spent(self, candidates: Candidates, name: str) -> bool:
        """Whether the node has as many starts, as the plan leaves it, as its budget allows."""
        return candidates.is_spent(self.facts(name))

    def put(self, member: Member, name: str, at: int | None = None) -> None:
        """Place a pod behind those on the node, or `at` the turn among them that `take` told."""
        self.placed[member.pod.uid] = name
        later = [] if at is None else self._rewind(name, at)
        for each in (member, *later):
            self._append(each, name)
        for tally in member.tallies:
            tally.add(self._fleet.nodes[name].traits, 1)

    def take(self, member: Member) -> int:
        """Undo a placement, as if it had never been; tells which turn on the node it had."""
        name = self.placed.pop(member.pod.uid)
        turn = next(turn for turn, state in enumerate(self._history[name]) if state.member is member)
        for other in self._rewind(name, turn)[1:]:
            self._append(other, name)
        for tally in member.tallies:
            tally.add(self._fleet.nodes[name].traits, -1)
        return turn

    def _rewind(self, name: str, turn: int) -> list[Member]:
        """The node as it was before that turn; the members from there on."""
        later = self._history[name][turn:]
        if later:
            _, self._facts[name], self._free[name] = later[0]
            del self._history[name][turn:]
        return [state.member for state in later]

    def _append(self, member: Member, name: str) -> None:
        facts, free = self.facts(name), self._free.get(name, self._fleet.nodes[name].free)
        self._history.setdefault(name, []).append(_State(member, facts, free))
        self._facts[name] = with_start(facts, member.pod.needs.images)
        self._free[name] = reduced(free, member.candidates.amounts)


def with_start(node: NodeFacts, images: Iterable[str]) -> NodeFacts:
    """The node with one more start on it, of a pod with these images, and with the pulls that this begins."""
    if node.images.issuperset(images):
        return node.with_more_starting(1.0)
    return replace(node, starting=node.starting + 1.0, pulling=node.pulling.union(images) - node.images)
