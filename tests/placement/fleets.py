"""Builders of gated pods and of fleets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.nodes import RuntimeInstaller
from model.pods import PodNeeds
from model.preferences import HOSTNAME, Preferences
from model.profiles import TenantProfile
from model.requirements import NodeTraits, Requirements
from model.selectors import PodIdentity, PodSelector
from model.taints import Taint
from placement.inputs import FleetState, GatedPod, NodeState
from tests.builders import AGENT_IMAGE, AGENT_IMAGE_BYTES, Sizes, demand, node

NOW = 10_000.0
SIZES = Sizes({AGENT_IMAGE: AGENT_IMAGE_BYTES})


def tenant(**spec: Any) -> TenantProfile:
    """The first seed's figures; starts add nothing to one another unless that is asked for."""
    spec.setdefault("startup", {"contentionMillisecondsPerStart": 0})
    return TenantProfile.from_spec("kata-agents", {"runtimeClassName": "kata-qemu", **spec})


def contended(milliseconds: int, **spec: Any) -> TenantProfile:
    return tenant(startup={"contentionMillisecondsPerStart": milliseconds}, **spec)


def gated(uid: str = "pod-1", *, cpu: int = 1_000, age: float = 0.0, **members: Any) -> GatedPod:
    """A Kata pod of one container, created `age` seconds before NOW."""
    requirements = members.pop("requirements", {})
    defaults: dict[str, Any] = {
        "identity": PodIdentity("tenant-a", {}),
        "created": NOW - age,
        "needs": demand(),
        "requirements": Requirements((("cpu", cpu), ("pods", 1)), **requirements),
        "profile": tenant(),
        "preferences": Preferences(),
    }
    return GatedPod(uid, **{**defaults, **members})


def several(count: int, **members: Any) -> list[GatedPod]:
    prefix = members.pop("prefix", "pod")
    return [gated(f"{prefix}-{number:03}", **members) for number in range(count)]


def state(
    name: str,
    *,
    cpu: int = 4_000,
    zone: str = "a",
    taints: tuple[Taint, ...] = (),
    cordoned: bool = False,
    **facts: Any,
) -> NodeState:
    """A warm amd64 node with so many milli-CPUs free; any of its facts may be replaced."""
    known = node(name, schedulable=not cordoned, **facts)
    labels = {
        "kubernetes.io/arch": known.architecture,
        HOSTNAME: name,
        "topology.kubernetes.io/zone": zone,
    }
    return NodeState(known, NodeTraits(name, labels, taints, cordoned), {"cpu": cpu, "pods": 110})


def fleet(*nodes: NodeState, census: Mapping[PodSelector, Mapping[str, int]] | None = None) -> FleetState:
    return FleetState({item.facts.name: item for item in nodes}, SIZES, census or {})


COLD: dict[str, Any] = {"images": frozenset()}
"""Facts of a node without the image: 40.3 s more."""


def settling(seconds_left: float) -> dict[str, Any]:
    """Facts of a node whose containerd was restarted, so that it has settled in so many seconds."""
    return {"containerd_restarted": NOW + seconds_left - 20}


RUNC = frozenset({"", "runc"})


def installing(seconds_ago: float) -> dict[str, Any]:
    """Facts of a node on which kata-deploy came so many seconds ago: warm 190 s after that."""
    installer = RuntimeInstaller(created=NOW - seconds_ago)
    return {"handlers": RUNC, "kata_label": "false", "installer": installer, "created": NOW - seconds_ago - 60}


def plain_needs(*images: str) -> PodNeeds:
    """A pod of the node's default runtime."""
    return demand(*images, handler="")
