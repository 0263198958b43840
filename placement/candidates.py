"""The nodes where the pods of a group could start, now or in a while, and the seconds each would take.

Of hundreds of groups on thousands of nodes most have something in common: what is the same for several (the way to
warmth, what is free, the seconds of a start) is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property

from model.nodes import NodeFacts
from model.requirements import refusal
from model.resources import Amounts
from model.score import TIE_SECONDS
from placement.budgets import start_budget
from placement.inputs import FleetState, GatedPod, NodeState
from placement.prospects import Prospect, StartSeconds, prospect, seconds_to_lose_taints
from placement.verdicts import HoldReason, LetThroughReason


class Ways:
    """The way to warmth of each node that has one, for pods that ask for the same nodes, handler and profile."""

    def __init__(self, pod: GatedPod, fleet: FleetState, now: float) -> None:
        self.by_node: dict[str, Prospect] = {}
        self.others_pass = False
        """Whether a node without a way passes what the pods require: it lacks nothing but their handler."""

        handler, profile = pod.needs.handler, pod.profile.spec
        for name, node in fleet.nodes.items():
            way = _on_its_way(pod, node, prospect(node.facts, handler, profile, now), now)
            if way is not None:
                self.by_node[name] = way
            else:
                self.others_pass = self.others_pass or refusal(pod.requirements, node.traits) is None


class Rooms:
    """What is free on the nodes, by resource."""

    def __init__(self, nodes: Mapping[str, NodeState]) -> None:
        self._nodes = nodes
        self._free: dict[str, dict[str, int]] = {}

    def having(self, amounts: Amounts, names: Iterable[str]) -> list[str]:
        """Those of the nodes on which the amounts are free."""
        left = list(names)
        for resource, value in amounts:
            if resource not in self._free:
                self._free[resource] = {name: node.free.get(resource, 0) for name, node in self._nodes.items()}
            free = self._free[resource]
            left = [name for name in left if free[name] >= value]
        return left


class Openings:
    """The nodes that pods of equal ways and amounts may be placed on, whatever images they need."""

    def __init__(self, ways: Ways, amounts: Amounts, rooms: Rooms) -> None:
        self._ways = ways
        self.prospects = {name: ways.by_node[name] for name in rooms.having(amounts, ways.by_node)}
        self.waits = {name: way.until_warm_seconds for name, way in self.prospects.items() if way.stage is not None}
        """Of the nodes that are not warm yet, the seconds until they are."""

    @property
    def reason_for_none(self) -> LetThroughReason:
        """Why a pod gets none of the nodes, once those that it might have had are taken."""
        if self.prospects:
            has_warm = len(self.waits) < len(self.prospects)
            return LetThroughReason.NO_ROOM if has_warm else LetThroughReason.NOT_IN_TIME
        if self._ways.by_node:
            return LetThroughReason.NO_ROOM
        return LetThroughReason.NONE_WARM if self._ways.others_pass else LetThroughReason.NO_NODE


class Starts:
    """The seconds that pods of equal ways and images take on each node, as things are before anything is placed."""

    def __init__(self, pod: GatedPod, fleet: FleetState, ways: Ways) -> None:
        self._ways = ways.by_node
        self._start = StartSeconds(pod.needs, pod.profile.spec, fleet.sizes)
        self.ranked = sorted((self.seconds(fleet.nodes[name].facts), name) for name in self._ways)

    def seconds(self, node: NodeFacts) -> float:
        """From now to the readiness of one more pod on a node in the state it is planned to be in."""
        way = self._ways[node.name]
        return way.until_warm_seconds + way.unknown_seconds + self._start.on(node)


class Candidates:
    """The candidates of one group: `ranked` by seconds from now to readiness, as they are before anything is placed."""

    def __init__(self, pod: GatedPod, fleet: FleetState, openings: Openings, starts: Starts) -> None:
        self.openings = openings
        self.amounts = pod.requirements.amounts
        self.budget = start_budget(pod.profile.spec)
        self.waits = openings.waits
        self.seconds = starts.seconds
        self.ranked = [item for item in starts.ranked if item[1] in openings.prospects]
        self.at_first = {name: seconds for seconds, name in self.ranked}
        """The seconds on each candidate before anything is placed."""

        self._nodes = fleet.nodes

    def is_warm(self, name: str) -> bool:
        return name not in self.waits

    def is_spent(self, node: NodeFacts) -> bool:
        """Whether the node has as many starts already as its budget allows."""
        return node.starting >= self.budget

    def weighed(self, seconds: float, node: NodeFacts) -> float:
        """The seconds, plus the tie for a start beyond the budget and for a wait: neither is chosen for less."""
        return seconds + TIE_SECONDS * (self.is_spent(node) + (node.name in self.waits))

    @cached_property
    def ranked_by_weight(self) -> list[tuple[float, str]]:
        """Each candidate with its weighed seconds before anything is placed; whatever is placed, they grow no less."""
        return sorted((self.weighed(seconds, self._nodes[name].facts), name) for seconds, name in self.ranked)


class CandidateLists:
    """The candidates of all groups at one moment."""

    def __init__(self, fleet: FleetState, now: float) -> None:
        self._fleet = fleet
        self._now = now
        self._rooms = Rooms(fleet.nodes)
        self._ways: dict[object, Ways] = {}
        self._openings: dict[object, Openings] = {}
        self._starts: dict[object, Starts] = {}
        self._candidates: dict[object, Candidates] = {}

    def of(self, pod: GatedPod) -> Candidates:
        if pod.kind not in self._candidates:
            self._candidates[pod.kind] = self._made(pod)
        return self._candidates[pod.kind]

    def _made(self, pod: GatedPod) -> Candidates:
        amounts, profile = pod.requirements.amounts, pod.profile.name
        nodes_asked_for = pod.needs.handler, replace(pod.requirements, amounts=()), profile
        if nodes_asked_for not in self._ways:
            self._ways[nodes_asked_for] = Ways(pod, self._fleet, self._now)
        ways = self._ways[nodes_asked_for]
        if (ways, amounts) not in self._openings:
            self._openings[ways, amounts] = Openings(ways, amounts, self._rooms)
        if (ways, pod.needs) not in self._starts:
            self._starts[ways, pod.needs] = Starts(pod, self._fleet, ways)
        return Candidates(pod, self._fleet, self._openings[ways, amounts], self._starts[ways, pod.needs])


def _on_its_way(pod: GatedPod, node: NodeState, way: Prospect | None, now: float) -> Prospect | None:
    """The node's prospect if it passes what the pod requires by then; a warm node may still wear its startup taints.

    A cordoned node is being emptied: it is offered to nobody, whatever the pod tolerates.
    """
    if node.traits.cordoned:
        return None
    if way is None or refusal(pod.requirements, node.traits) is None:
        return way
    if refusal(pod.requirements, node.traits.once_started()) is not None:
        return None
    if way.stage is not None:
        return way
    seconds = seconds_to_lose_taints(node.facts, pod.profile.spec, now)
    return None if seconds is None else Prospect(seconds, way.unknown_seconds, HoldReason.BOOTING)
