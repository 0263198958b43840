"""The nodes where the pods of a group could start, now or in a while, and the seconds each would take."""

from __future__ import annotations

from collections.abc import Callable

from model.nodes import NodeFacts
from model.requirements import refusal
from model.resources import lacking
from placement.budgets import start_budget
from placement.inputs import FleetState, GatedPod, NodeState
from placement.prospects import Prospect, StartSeconds, prospect, seconds_to_lose_taints
from placement.verdicts import HoldReason, LetThroughReason


class Prospects:
    """Prospects at one moment, worked out once for each node, handler and profile."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._known: dict[tuple[str, str], dict[str, Prospect | None]] = {}

    def of(self, pod: GatedPod) -> Callable[[NodeFacts], Prospect | None]:
        handler, profile, now = pod.needs.handler, pod.profile.spec, self._now
        known = self._known.setdefault((handler, pod.profile.name), {})

        def find(node: NodeFacts) -> Prospect | None:
            if node.name not in known:
                known[node.name] = prospect(node, handler, profile, now)
            return known[node.name]

        return find


class Candidates:
    """The candidates of one group: `ranked` by seconds from now to readiness, as they are before anything is placed."""

    def __init__(self, pod: GatedPod, fleet: FleetState, prospects: Prospects, now: float) -> None:
        self.amounts = pod.requirements.amounts
        self.budget = start_budget(pod.profile.spec)
        self.contention_seconds = pod.profile.spec.startup.contention_milliseconds_per_start / 1_000
        self.prospects: dict[str, Prospect] = {}
        self.ranked: list[tuple[float, str]] = []
        self._start = StartSeconds(pod.needs, pod.profile.spec, fleet.sizes)
        self._passing = self._warming = False
        self._gather(pod, fleet, prospects.of(pod), now)

    def seconds(self, node: NodeFacts) -> float:
        """From now to the readiness of one more pod on a candidate, in the state it is planned to be in."""
        way = self.prospects[node.name]
        return way.until_warm_seconds + way.unknown_seconds + self._start.on(node)

    def is_warm(self, name: str) -> bool:
        return self.prospects[name].stage is None

    @property
    def reason_for_none(self) -> LetThroughReason:
        """Why a pod of the group gets none of the nodes."""
        if self.ranked:
            has_warm = any(self.is_warm(name) for _, name in self.ranked)
            return LetThroughReason.NO_ROOM if has_warm else LetThroughReason.NOT_IN_TIME
        if self._warming:
            return LetThroughReason.NO_ROOM
        return LetThroughReason.NONE_WARM if self._passing else LetThroughReason.NO_NODE

    def _gather(
        self, pod: GatedPod, fleet: FleetState, find: Callable[[NodeFacts], Prospect | None], now: float
    ) -> None:
        for name, node in fleet.nodes.items():
            way = _on_its_way(pod, node, find(node.facts), now)
            if way is None:
                self._passing = self._passing or refusal(pod.requirements, node.traits) is None
                continue
            self._warming = True
            if not lacking(self.amounts, node.free):
                self.prospects[name] = way
                self.ranked.append((self.seconds(node.facts), name))
        self.ranked.sort()


def _on_its_way(pod: GatedPod, node: NodeState, way: Prospect | None, now: float) -> Prospect | None:
    """The node's prospect if it passes what the pod requires by then; a warm node may still wear its startup taints."""
    if way is None or refusal(pod.requirements, node.traits) is None:
        return way
    if refusal(pod.requirements, node.traits.once_started()) is not None:
        return None
    if way.stage is not None:
        return way
    seconds = seconds_to_lose_taints(node.facts, now)
    return None if seconds is None else Prospect(seconds, way.unknown_seconds, HoldReason.BOOTING)
