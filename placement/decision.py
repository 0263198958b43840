"""The gate's verdicts: for every gated pod, nominate, hold or let through."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from model.forecast import forecast
from model.nodes import NodeFacts
from placement.assignment import assign
from placement.candidates import Candidates
from placement.inputs import FleetState, GatedPod
from placement.verdicts import Hold, LetThrough, LetThroughReason, Nominate, Verdict


def decide(pods: Iterable[GatedPod], fleet: FleetState, now: float) -> dict[str, Verdict]:
    """The verdict on each pod, by its uid.

    Warm nodes are nominated. A pod is held where a node that is about to be warm will have it ready sooner, by more
    than the tie of two seconds, than the best it can get now, and will be warm before the pod's deadline. All others
    are let through, and so is every pod whose deadline has come or whose requirements only the scheduler can judge.
    """
    verdicts: dict[str, Verdict] = {}
    open_pods: list[GatedPod] = []
    for pod in pods:
        early = let_through_unseen(pod, now)
        if early is None:
            open_pods.append(pod)
        else:
            verdicts[pod.uid] = early
    assignment = assign(open_pods, fleet, now)
    for pod in open_pods:
        candidates = assignment.candidates[pod.uid]
        if pod.uid in assignment.plan.placed:
            verdicts[pod.uid] = _placed(pod, assignment.plan.facts_for(pod.uid), candidates, fleet, now)
        else:
            verdicts[pod.uid] = LetThrough(candidates.openings.reason_for_none)
    return verdicts


def next_decision(verdicts: Iterable[Verdict], deadlines: Iterable[float]) -> float:
    """When the verdicts have to be taken anew although nothing changed: a wait ends, or a deadline comes."""
    waits = (verdict.until for verdict in verdicts if isinstance(verdict, Hold))
    return min((*waits, *deadlines), default=inf)


def let_through_unseen(pod: GatedPod, now: float) -> LetThrough | None:
    """What lets a pod through whatever the fleet is like."""
    if pod.profile.spec.max_hold_seconds == 0:
        return LetThrough(LetThroughReason.HOLD_DISABLED)
    if now >= pod.deadline:
        return LetThrough(LetThroughReason.DEADLINE)
    if pod.unjudged:
        return LetThrough(LetThroughReason.UNJUDGED, pod.unjudged)
    return None


def _placed(pod: GatedPod, node: NodeFacts, candidates: Candidates, fleet: FleetState, now: float) -> Nominate | Hold:
    """The verdict on a pod that the plan places on a node, in the state in which the pods before it leave the node."""
    told = forecast(pod.needs, node, pod.profile.spec, fleet.sizes, now)
    way = candidates.openings.prospects[node.name]
    if way.stage is None:
        return Nominate(told)
    return Hold(way.stage, told, now + way.until_warm_seconds, candidates.seconds(node))
