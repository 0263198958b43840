"""The nodes where the pods of a group could start, now or in a while, and the seconds each would take."""

from __future__ import annotations

from model.nodes import NodeFacts
from model.requirements import refusal
from model.resources import lacking
from placement.budgets import start_budget
from placement.inputs import FleetState, GatedPod, NodeState
from placement.prospects import Prospect, StartSeconds, prospect, seconds_to_lose_taints
from placement.verdicts import HoldReason, LetThroughReason


class Openings:
    """The nodes that pods of equal requirements, handler and profile may be placed on, whatever images they need."""

    def __init__(self, pod: GatedPod, fleet: FleetState, now: float) -> None:
        self.prospects: dict[str, Prospect] = {}
        self._passing = self._warming = False
        handler, profile, amounts = pod.needs.handler, pod.profile.spec, pod.requirements.amounts
        for name, node in fleet.nodes.items():
            way = _on_its_way(pod, node, prospect(node.facts, handler, profile, now), now)
            if way is None:
                self._passing = self._passing or refusal(pod.requirements, node.traits) is None
                continue
            self._warming = True
            if not lacking(amounts, node.free):
                self.prospects[name] = way
        self.waits = {name: way.until_warm_seconds for name, way in self.prospects.items() if way.stage is not None}
        """Of the nodes that are not warm yet, the seconds until they are."""

    @property
    def reason_for_none(self) -> LetThroughReason:
        """Why a pod gets none of the nodes, once those that it might have had are taken."""
        if self.prospects:
            has_warm = len(self.waits) < len(self.prospects)
            return LetThroughReason.NO_ROOM if has_warm else LetThroughReason.NOT_IN_TIME
        if self._warming:
            return LetThroughReason.NO_ROOM
        return LetThroughReason.NONE_WARM if self._passing else LetThroughReason.NO_NODE


class Candidates:
    """The candidates of one group: `ranked` by seconds from now to readiness, as they are before anything is placed."""

    def __init__(self, pod: GatedPod, fleet: FleetState, openings: Openings) -> None:
        self.openings = openings
        self.amounts = pod.requirements.amounts
        self.budget = start_budget(pod.profile.spec)
        self.waits = openings.waits
        self._start = StartSeconds(pod.needs, pod.profile.spec, fleet.sizes)
        self.at_first = {name: self.seconds(fleet.nodes[name].facts) for name in openings.prospects}
        """The seconds on each candidate before anything is placed."""

        self.ranked = sorted((seconds, name) for name, seconds in self.at_first.items())

    def seconds(self, node: NodeFacts) -> float:
        """From now to the readiness of one more pod on a candidate, in the state it is planned to be in."""
        way = self.openings.prospects[node.name]
        return way.until_warm_seconds + way.unknown_seconds + self._start.on(node)

    def is_warm(self, name: str) -> bool:
        return name not in self.waits


class CandidateLists:
    """The candidates of all groups at one moment; what groups have in common is worked out once."""

    def __init__(self, fleet: FleetState, now: float) -> None:
        self._fleet = fleet
        self._now = now
        self._openings: dict[object, Openings] = {}
        self._candidates: dict[object, Candidates] = {}

    def of(self, pod: GatedPod) -> Candidates:
        key = pod.needs, pod.requirements, pod.profile.name
        if key not in self._candidates:
            self._candidates[key] = Candidates(pod, self._fleet, self._openings_of(pod))
        return self._candidates[key]

    def _openings_of(self, pod: GatedPod) -> Openings:
        key = pod.needs.handler, pod.requirements, pod.profile.name
        if key not in self._openings:
            self._openings[key] = Openings(pod, self._fleet, self._now)
        return self._openings[key]


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
