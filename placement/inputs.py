"""What placement decides on: gated pods and the fleet, as frozen values of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.preferences import Preferences
from model.profiles import TenantProfile
from model.requirements import NodeTraits, Requirements
from model.selectors import PodIdentity, PodSelector
from model.terms import ImageSizes


@dataclass(frozen=True, slots=True)
class GatedPod:
    """A pod that our gate holds; `created` is the earliest instant that its creation time can mean."""

    uid: str
    identity: PodIdentity
    created: float
    needs: PodNeeds
    requirements: Requirements
    profile: TenantProfile
    preferences: Preferences = field(default_factory=Preferences)
    priority: int = 0
    unjudged: str = ""
    """What it requires that only the scheduler can judge; empty for nothing."""

    @property
    def kind(self) -> tuple[PodNeeds, Requirements, str]:
        """What pods have in common that have the same candidates."""
        return self.needs, self.requirements, self.profile.name

    @property
    def deadline(self) -> float:
        """When the gate is opened in any case; the same after a restart of ours, as it follows from the pod alone."""
        return self.created + self.profile.spec.max_hold_seconds


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node as it is for the next pod.

    `facts.starting` and `free` have to take into account the pods that are bound, those that are nominated here, and
    those that were placed here and are not seen to be so yet.
    """

    facts: NodeFacts
    traits: NodeTraits
    free: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class FleetState:
    """All nodes by name, the sizes of images, and `model.preferences.census` of the pods' selectors."""

    nodes: Mapping[str, NodeState]
    sizes: ImageSizes
    census: Mapping[PodSelector, Mapping[str, int]] = field(default_factory=dict)
