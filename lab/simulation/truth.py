"""What really happened to a pod's start, in model seconds with a fraction: what forecasts are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

STAGES_ANNOTATION: Final = "lab.stoker.dev/stages"
"""On a pod that became ready: a JSON list of `{"name", "start", "seconds"}`; starts count from the binding."""

TRUTH_ANNOTATION: Final = "lab.stoker.dev/truth"
"""On a pod that became ready: the rest of its truth, as JSON."""

WAITS: Final = frozenset(("runtime", "settle"))
"""Stages in which a pod waits for its node: for a sandbox that does not fail, for containerd to settle."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a start; the parts follow each other without gaps. `start` counts from the binding."""

    name: str
    start: float
    seconds: float


@dataclass(slots=True)
class Truth:
    """The start of one pod. Moments are model seconds of the fleet's clock, `unix` ones wall seconds of the epoch.

    How many seconds it was to ready, as the lab reports them, is said by `seconds_to_ready`.
    """

    namespace: str
    name: str
    node: str
    architecture: str
    created_unix: float
    bound_unix: float
    bound_at: float
    """When the kubelet learnt of the binding."""

    gate_opened_unix: float | None = None
    """When its last scheduling gate was seen to be gone; the creation where it never had one."""

    warm_at_binding: bool = False
    cold_reasons: tuple[str, ...] = ()
    """Of `handler-missing`, `settling`, `image-missing`: empty where the node was warm for this pod."""

    handler_present: bool = False
    in_settle_window: bool = False
    """Whether containerd had not settled, by the simulation's own physics."""

    seconds_since_restart: float = 0.0
    """From containerd's last restart to the binding."""

    seconds_since_install: float | None = None
    """From the Kata handlers' installation to the binding; None where they were not installed."""

    ready_at: float | None = None
    ready_unix: float | None = None
    failed_sandboxes: int = 0
    stages: list[Stage] = field(default_factory=list)

    @property
    def kubelet_seconds(self) -> float | None:
        """From the binding until Ready; None while it is not."""
        return None if self.ready_at is None else self.ready_at - self.bound_at

    def seconds_to_ready(self, speed: float) -> float | None:
        """speed x (wall seconds at a gate) + wall seconds in the scheduler's queue + the kubelet's modelled seconds.

        kube-scheduler's back-off does not follow compressed time, so its wall seconds count as they are.
        """
        if self.kubelet_seconds is None:
            return None
        opened = self.created_unix if self.gate_opened_unix is None else self.gate_opened_unix
        return (opened - self.created_unix) * speed + self.bound_unix - opened + self.kubelet_seconds

    def add_stage(self, name: str, begin: float, end: float) -> None:
        """The next stage, between two moments; waiting that goes on in the same way is one stage."""
        start = begin - self.bound_at
        if name in WAITS and self.stages and self.stages[-1].name == name:
            start = self.stages.pop().start
        self.stages.append(Stage(name, start, end - self.bound_at - start))

    def annotations(self) -> dict[str, str]:
        stages = [
            {"name": stage.name, "start": round(stage.start, 3), "seconds": round(stage.seconds, 3)}
            for stage in self.stages
        ]
        rest: dict[str, Any] = {
            "node": self.node,
            "architecture": self.architecture,
            "created_unix": round(self.created_unix, 4),
            "bound_unix": round(self.bound_unix, 4),
            "ready_unix": None if self.ready_unix is None else round(self.ready_unix, 4),
            "kubelet_seconds": None if self.kubelet_seconds is None else round(self.kubelet_seconds, 3),
            "failed_sandboxes": self.failed_sandboxes,
            "warm_at_binding": self.warm_at_binding,
            "cold_reasons": self.cold_reasons,
        }
        return {
            STAGES_ANNOTATION: msgspec.json.encode(stages).decode(),
            TRUTH_ANNOTATION: msgspec.json.encode(rest).decode(),
        }
