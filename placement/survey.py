"""What `decide` is asked about, taken from the snapshot: the gated pods, and the fleet as the next pod finds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Final

from cluster import wire
from cluster.bound import BoundPod
from cluster.demands import amounts_of, identity_of, preferences_of, requirements_of, unjudged
from cluster.snapshot import Snapshot
from cluster.translation import pod_needs
from model import names
from model.errors import InvalidInput
from model.nodes import NodeFacts
from model.preferences import Preferences, census
from model.profiles import ProfileSpec, TenantProfile
from model.requirements import Requirements
from model.resources import Amounts, lacking, reduced
from model.selectors import PodSelector
from placement.deadlines import LONGEST_HOLD_SECONDS, creation_of
from placement.inputs import FleetState, GatedPod, NodeState
from placement.plan import with_start
from placement.prospects import prospect

PROFILE_OF_NONE: Final = TenantProfile(
    name="none.stoker.dev", spec=ProfileSpec(runtime_class_policy="Default", max_hold_seconds=LONGEST_HOLD_SECONDS)
)
"""For pods whose profile is gone, and for those whose annotation never named one: the default priors."""


class Survey:
    """Reads the snapshot, and keeps nothing of it."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def gated(self, pod: wire.Pod) -> GatedPod:
        snapshot, metadata = self._snapshot, pod.metadata
        try:
            requirements, preferences, reason = requirements_of(pod), preferences_of(pod), unjudged(pod)
        except InvalidInput as error:
            requirements, preferences, reason = Requirements(()), Preferences(), str(error)
        identity = identity_of(pod)
        if closed := snapshot.fleet.domains_closed_to(identity):
            requirements = replace(requirements, repelled=closed)
        return GatedPod(
            uid=metadata.uid,
            identity=identity,
            created=creation_of(pod, snapshot.clock, snapshot.waiting.first_seen(metadata.uid)),
            needs=pod_needs(pod, snapshot.tenancy.handler_of),
            requirements=requirements,
            profile=self._profile(pod),
            preferences=preferences,
            priority=pod.spec.priority,
            unjudged=reason,
        )

    def fleet(self, gated: Iterable[GatedPod], placed: Mapping[str, str]) -> FleetState:
        """The nodes with what is left beside bound, nominated and just placed pods.

        `placed`: by uid, the node of each pod that was nominated and is not seen to be so yet.
        """
        fleet = self._snapshot.fleet
        nodes = {facts.name: NodeState(facts, traits, free) for facts, traits, free in fleet.offers()}
        nominated = [(name, pod) for name, pod in self._nominated(placed) if name in nodes]
        for name, pod in nominated:
            nodes[name] = self._with(nodes[name], pod)
        return FleetState(nodes, fleet, self._census(gated, nominated))

    def can_start(self, pod: wire.Pod, node: NodeFacts | None, now: float) -> bool:
        """Whether the node is warm for the pod and has room for it beside the pods that are bound to it."""
        if node is None:
            return False
        profile = self._profile(pod)
        way = prospect(node, pod_needs(pod, self._snapshot.tenancy.handler_of).handler, profile.spec, now)
        free = self._snapshot.fleet.free_on(node.name)
        return way is not None and way.stage is None and not lacking(_amounts(pod), free)

    def outranked(self, pod: wire.Pod, name: str) -> list[BoundPod]:
        """The pods of lower priority on the node: whom a scheduler may remove for this one."""
        return [item for item in self._snapshot.fleet.pods_on(name) if item.priority < pod.spec.priority]

    def _profile(self, pod: wire.Pod) -> TenantProfile:
        name = pod.metadata.annotations.get(names.PROFILE_ANNOTATION, "")
        return self._snapshot.tenancy.profile(name) or PROFILE_OF_NONE

    def _with(self, node: NodeState, pod: wire.Pod) -> NodeState:
        """The node with a pod that is about to be bound to it."""
        images = pod_needs(pod, self._snapshot.tenancy.handler_of).images
        return NodeState(with_start(node.facts, images), node.traits, reduced(node.free, _amounts(pod)))

    def _nominated(self, placed: Mapping[str, str]) -> Iterator[tuple[str, wire.Pod]]:
        for uid, pod in self._snapshot.waiting.pods.items():
            if name := pod.status.nominated_node_name or placed.get(uid, ""):
                yield name, pod

    def _census(
        self, gated: Iterable[GatedPod], nominated: Iterable[tuple[str, wire.Pod]]
    ) -> dict[PodSelector, dict[str, int]]:
        """How many pods each selector of the gated pods' preferences means on each node."""
        selectors: set[PodSelector] = set().union(*(pod.preferences.selectors() for pod in gated))
        if not selectors:
            return {}
        fleet = self._snapshot.fleet
        bound = ((node.name, pod.identity) for node in fleet.nodes() for pod in fleet.pods_on(node.name))
        return census(chain(bound, ((name, identity_of(pod)) for name, pod in nominated)), selectors)


def _amounts(pod: wire.Pod) -> Amounts:
    try:
        return amounts_of(pod)
    except InvalidInput:
        return ()
