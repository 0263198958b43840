"""The true state of simulated nodes, which the API shows only in part and late. Moments are model seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lab.fleets import NodeGroup
from lab.simulation.catalogue import ImageContent
from lab.simulation.physics import Physics
from lab.simulation.pulls import Puller
from model.images import canonical_image

LONG_AGO = -86_400.0
"""A day before the clock began: of things that have long been as they are."""

DEFAULT_HANDLERS = ("", "runc")
"""What a kubelet reports where nothing but runc is configured."""


@dataclass(frozen=True, slots=True)
class PresentImage:
    """An image in a node's store."""

    content: ImageContent
    reported_from: float
    """When the kubelet begins to list it."""


@dataclass(slots=True)
class SimulatedNode:
    """One node. Only the simulation's own operations change it."""

    name: str
    index: int
    """Its number in the fleet; pods' addresses come from it."""

    group: NodeGroup
    disk_factor: float
    kata_handlers: tuple[str, ...]
    """What kata-deploy configures where it is installed."""

    puller: Puller
    ready: bool = True

    kata_wanted: bool = False
    """Whether kata-deploy's DaemonSet selects it."""

    kata_wanted_at: float | None = None
    """Since when, where kata-deploy's pod is yet to come for that."""

    startup_taint: str = ""
    """Key of the taint with which it registers, and which kata-deploy lifts once the runtime is there; may be none."""

    awaits_scene: bool = False
    """Whether kata-deploy's installation here ends when the scene is set, and not by itself."""

    installed_at: float | None = None
    """When the Kata handlers began to work; None while they do not."""

    handlers_reported_at: float = math.inf
    """From when on the kubelet lists them."""

    restarted_at: float = LONG_AGO
    """When containerd was last restarted."""

    sandboxes_fail_until: float = -math.inf
    pulls_stall_until: float = -math.inf

    images: dict[str, PresentImage] = field(default_factory=dict)
    """By every canonical name."""

    starting: set[str] = field(default_factory=set)
    """Uids of the pods bound here that are not ready yet."""

    addresses: int = 0
    """How many pod addresses were given out."""

    @property
    def architecture(self) -> str:
        return self.group.architecture

    @property
    def address(self) -> str:
        return f"10.0.{self.index // 250 % 250}.{1 + self.index % 250}"

    def has(self, reference: str) -> bool:
        return canonical_image(reference) in self.images

    def add_image(self, content: ImageContent, reported_from: float) -> None:
        present = PresentImage(content, reported_from)
        for name in content.names:
            self.images.setdefault(name, present)

    def handler_works(self, handler: str) -> bool:
        return handler in DEFAULT_HANDLERS or (handler in self.kata_handlers and self.installed_at is not None)

    def restart_containerd(self, at: float, physics: Physics, *, installs: bool = False) -> None:
        """Restart it; where `installs`, the Kata handlers come with the restart, and pulls stall for longer."""
        settling = physics.constants.settling
        stall = settling.install_stall_seconds if installs else settling.restart_stall_seconds
        self.restarted_at = at
        if installs:
            self.installed_at = at
            self.handlers_reported_at = at + settling.report_seconds
        self.sandboxes_fail_until = max(self.sandboxes_fail_until, at + settling.outage_seconds)
        end = at + stall * physics.noise("stall", self.name)
        self.pulls_stall_until = max(self.pulls_stall_until, end)
        self.puller.freeze(at, at + settling.outage_seconds)

    def sandbox_refusal(self, at: float, handler: str) -> str | None:
        """Why no sandbox can be made now, in containerd's and the kubelet's words; None where one can."""
        if at < self.sandboxes_fail_until:
            return (
                'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: '
                'dial unix /run/containerd/containerd.sock: connect: connection refused"'
            )
        if not self.handler_works(handler):
            return (
                "rpc error: code = Unknown desc = failed to get sandbox runtime: "
                f'no runtime for "{handler}" is configured'
            )
        return None

    def cold_reasons(self, at: float, handler: str, images: list[str]) -> list[str]:
        """Why a pod bound now finds the node cold, as constant words; empty where it is warm."""
        reasons = []
        if not self.handler_works(handler):
            reasons.append("handler-missing")
        if at < max(self.pulls_stall_until, self.sandboxes_fail_until):
            reasons.append("settling")
        if not all(self.has(image) for image in images):
            reasons.append("image-missing")
        return reasons

    def next_address(self) -> str:
        """A pod address of the node's own range, of 10.128.0.0/9; ranges of more than 250 pods repeat."""
        self.addresses += 1
        return f"10.{128 + self.index // 256 % 128}.{self.index % 256}.{2 + self.addresses % 250}"
