"""A plan in the making: which pod goes to which node, and what that leaves for the pods after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from model.nodes import NodeFacts
from model.resources import lacking, reduced
from model.score import TIE_SECONDS
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


class Plan:
    """Placements so far, and each node as they leave it: its room, its starts, its pulls."""

    def __init__(self, fleet: FleetState) -> None:
        self._fleet = fleet
        self._facts: dict[str, NodeFacts] = {}
        self._free: dict[str, Mapping[str, int]] = {}
        self._members: dict[str, list[Member]] = {}
        self.placed: dict[str, str] = {}
        """The node of each placed pod, by its uid."""

    def facts(self, name: str) -> NodeFacts:
        return self._facts.get(name) or self._fleet.nodes[name].facts

    def free(self, name: str) -> Mapping[str, int]:
        return self._free.get(name) or self._fleet.nodes[name].free

    def members(self, name: str) -> list[Member]:
        """The pods placed on a node, in the order they were."""
        return self._members.get(name, [])

    def seconds(self, member: Member, name: str) -> float | None:
        """What one more pod takes on a candidate; None where it has no room, or is not warm before the deadline."""
        candidates = member.candidates
        way = candidates.prospects.get(name)
        if way is None or way.until_warm_seconds > member.wait_seconds or lacking(candidates.amounts, self.free(name)):
            return None
        return candidates.seconds(self.facts(name))

    def weighed_seconds(self, member: Member, name: str) -> float | None:
        """The same, plus the tie for a start beyond the budget and for a wait: neither is chosen for less."""
        seconds = self.seconds(member, name)
        if seconds is None:
            return None
        is_beyond = self.is_spent(member.candidates, name)
        return seconds + TIE_SECONDS * (is_beyond + (not member.candidates.is_warm(name)))

    def is_spent(self, candidates: Candidates, name: str) -> bool:
        """Whether the node has as many starts already as its budget allows."""
        return self.facts(name).starting >= candidates.budget

    def put(self, member: Member, name: str) -> None:
        self.placed[member.pod.uid] = name
        self._members.setdefault(name, []).append(member)
        self._free[name] = reduced(self.free(name), member.candidates.amounts)
        self._facts[name] = with_start(self.facts(name), member.pod)
        for tally in member.tallies:
            tally.add(self._fleet.nodes[name].traits, 1)

    def take(self, member: Member) -> str:
        """Undo a placement; tells where it was."""
        name = self.placed.pop(member.pod.uid)
        node, members = self._fleet.nodes[name], self._members[name]
        members.remove(member)
        free, facts = node.free, node.facts
        for other in members:
            free, facts = reduced(free, other.candidates.amounts), with_start(facts, other.pod)
        self._free[name], self._facts[name] = free, facts
        for tally in member.tallies:
            tally.add(node.traits, -1)
        return name


def with_start(node: NodeFacts, pod: GatedPod) -> NodeFacts:
    """The node with one more start on it, and with the pulls that this begins."""
    if node.images.issuperset(pod.needs.images):
        return node.with_more_starting(1.0)
    return replace(node, starting=node.starting + 1.0, pulling=node.pulling.union(pod.needs.images) - node.images)
