"""Candidates by what their group thinks of them before anything is placed: standing points, and shared domains."""

from __future__ import annotations

from collections.abc import Mapping

from model.preferences import standing_points
from placement.candidates import Candidates
from placement.inputs import FleetState, GatedPod
from placement.tallies import Pull, Tally

Ranked = list[tuple[float, str]]
"""Seconds and name, the least seconds first."""

StratumKey = tuple[float, tuple[str | None, ...]]
"""Standing points, and the domain in each tally of a shared topology key."""

Strata = Mapping[StratumKey, Ranked]


class StrataOf:
    """Strata, worked out once for groups of equal candidates, standing preferences and topology keys."""

    def __init__(self, fleet: FleetState) -> None:
        self._fleet = fleet
        self._strata: dict[object, Strata] = {}
        self._keys: dict[object, dict[str, StratumKey]] = {}

    def group(self, pod: GatedPod, candidates: Candidates, pulls: tuple[Pull, ...]) -> Strata:
        shared = tuple(tally for tally, _ in pulls if tally.is_shared)
        thought = pod.preferences.nodes, pod.requirements.tolerations, tuple(tally.topology_key for tally in shared)
        key = id(candidates), thought
        if key not in self._strata:
            keys = self._keys.setdefault(thought, {})
            self._strata[key] = self._divided(pod, candidates, shared, keys)
        return self._strata[key]

    def _divided(
        self, pod: GatedPod, candidates: Candidates, shared: tuple[Tally, ...], keys: dict[str, StratumKey]
    ) -> Strata:
        strata: dict[StratumKey, Ranked] = {}
        for item in candidates.ranked:
            name = item[1]
            if name not in keys:
                keys[name] = self._key(pod, name, shared)
            strata.setdefault(keys[name], []).append(item)
        return strata

    def _key(self, pod: GatedPod, name: str, shared: tuple[Tally, ...]) -> StratumKey:
        traits = self._fleet.nodes[name].traits
        points = standing_points(pod.preferences, pod.requirements.tolerations, traits)
        return points, tuple(tally.domain(traits) for tally in shared)
