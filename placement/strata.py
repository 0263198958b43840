"""Candidates by what their group thinks of them before anything is placed: standing points, and shared domains."""

from __future__ import annotations

from collections.abc import Mapping

from model.preferences import standing_points
from placement.candidates import Candidates
from placement.inputs import FleetState, GatedPod
from placement.tallies import Pull, Tally

Ranked = list[tuple[float, str]]
"""Seconds and name, the least seconds first."""

Strata = Mapping[tuple[float, tuple[str | None, ...]], Ranked]
"""By standing points, and by the domain in each tally of a shared topology key."""


class StrataOf:
    """Strata, worked out once for groups of equal candidates, standing preferences and topology keys."""

    def __init__(self, fleet: FleetState) -> None:
        self._fleet = fleet
        self._known: dict[object, Strata] = {}
        self._points: dict[object, dict[str, float]] = {}

    def group(self, pod: GatedPod, candidates: Candidates, pulls: tuple[Pull, ...]) -> Strata:
        shared = tuple(tally for tally, _ in pulls if tally.is_shared)
        key = id(candidates), pod.preferences.nodes, tuple(tally.topology_key for tally in shared)
        if key not in self._known:
            self._known[key] = self._divided(pod, candidates, shared)
        return self._known[key]

    def _divided(self, pod: GatedPod, candidates: Candidates, shared: tuple[Tally, ...]) -> Strata:
        strata: dict[tuple[float, tuple[str | None, ...]], Ranked] = {}
        points = self._points.setdefault((pod.preferences.nodes, pod.requirements.tolerations), {})
        for seconds, name in candidates.ranked:
            traits = self._fleet.nodes[name].traits
            if name not in points:
                points[name] = standing_points(pod.preferences, pod.requirements.tolerations, traits)
            key = points[name], tuple(tally.domain(traits) for tally in shared)
            strata.setdefault(key, []).append((seconds, name))
        return strata
