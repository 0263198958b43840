"""An extender over a fleet of our own making: its nodes, its profile, and the events that it would write."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cluster import wire
from cluster.clock import Clock
from cluster.events import PodEvent
from cluster.fleet import Fleet
from cluster.tenancy import Tenancy
from extender.asked import AskedNodes
from extender.protocol import decode_names
from extender.scheduling import Scheduling
from extender.telling import Choice, tell
from model.names import PROFILE_ANNOTATION
from tests.cluster.objects import decoded, image, node, pod

AGENT_IMAGE = "registry.example/agent:v1.4.2"
NOW = 1_772_600_000.0
KATA = ["", "runc", "kata-qemu"]


@dataclass
class World:
    """A tenant's profile, and the nodes that a test adds. Time stands still, unless a test moves `now` or `wall`."""

    complaint: str | None = None
    now: float = NOW
    wall: float = 100.0
    waited: float = 0.0
    """For how long requests over HTTP have been in hand."""
    told: list[PodEvent] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    """Those that were told."""

    def __post_init__(self) -> None:
        self.tenancy = Tenancy(lambda: self.complaint)
        self.clock = Clock(wall=lambda: self.now)
        self.fleet = Fleet(self.clock, self.tenancy)
        self.scheduling = Scheduling(self.tenancy, self.fleet, self.clock, self.tell, wall=lambda: self.wall)
        self.put_profile(runtimeClassName="kata-qemu")

    def tell(self, choice: Choice) -> None:
        """At once, where a process waits until nobody asks."""
        self.choices.append(choice)
        tell(choice, self.told.append)

    def put_profile(self, profile_name: str = "kata-agents", /, **spec: Any) -> None:
        profile = decoded(wire.TenantProfile, {"metadata": {"name": profile_name}, "spec": spec})
        self.tenancy.profile_changed(None, profile)

    def add(self, name: str, **members: Any) -> None:
        """A node; warm unless its members say otherwise."""
        warm: dict[str, Any] = {"handlers": KATA, "images": [image(AGENT_IMAGE, 1_130_000_000)]}
        self.fleet.node_changed(None, node(name, **{**warm, **members}))

    def remove(self, name: str) -> None:
        self.fleet.node_changed(node(name), None)

    def scores(self, subject: wire.Pod, *names: str) -> list[int]:
        """What /prioritize answers, in the order of the names."""
        answer = json.loads(self.scheduling.prioritize(subject, asked(*names)))
        assert [item["Host"] for item in answer] == list(names)
        return [item["Score"] for item in answer]

    def refused(self, subject: wire.Pod, *names: str) -> dict[str, str]:
        """Whom /filter refuses, and why; the others passed, in the order of the names."""
        answer = json.loads(self.scheduling.filter(subject, asked(*names)))
        refused: dict[str, str] = answer["FailedAndUnresolvableNodes"]
        assert answer["NodeNames"] == [name for name in names if name not in refused]
        return refused

    def bind(self, subject: wire.Pod, name: str) -> None:
        """What the watch shows when the scheduler has chosen."""
        self.fleet.pod_changed(None, subject)
        self.fleet.pod_changed(subject, tenant_pod(subject.metadata.name, on=name))


def asked(*names: str) -> AskedNodes:
    """As Go writes them: no blanks."""
    return AskedNodes(json.dumps(names, separators=(",", ":")).encode(), decode_names)


def tenant_pod(name: str = "agent-1", *, profile: str | None = "kata-agents", **members: Any) -> wire.Pod:
    annotations = {} if profile is None else {PROFILE_ANNOTATION: profile}
    spec = {"runtimeClassName": "kata-qemu"}
    return pod(name, images=(AGENT_IMAGE,), annotations=annotations, spec=spec, **members)


def arguments(*node_names: str, profile: str | None = "kata-agents", **members: Any) -> bytes:
    """ExtenderArgs as kube-scheduler sends them: Go's names outside, Kubernetes' own inside."""
    annotations = {} if profile is None else {PROFILE_ANNOTATION: profile}
    subject = {
        "metadata": {"name": "agent-1", "namespace": "tenant-a", "uid": "uid-1", "annotations": annotations},
        "spec": {"runtimeClassName": "kata-qemu", "containers": [{"name": "main", "image": AGENT_IMAGE}]},
        "status": {"phase": "Pending"},
    }
    return json.dumps({"Pod": subject, "Nodes": None, "NodeNames": list(node_names), **members}).encode()
