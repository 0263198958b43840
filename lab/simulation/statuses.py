"""A pod's status as a kubelet writes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.simulation.clock import Clock
from lab.simulation.pods import Container, Pod

State = Literal["waiting", "running", "terminated"]
CONDITIONS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


@dataclass(slots=True)
class ContainerProgress:
    """How far a container has come; moments are model seconds."""

    container: Container
    field_path: str
    """As events name it."""

    state: State = "waiting"
    waiting_reason: str = "ContainerCreating"
    started_at: float = 0.0
    finished_at: float = 0.0
    ready: bool = False
    restarts: int = 0
    image_id: str = ""
    last_state: dict[str, Any] = field(default_factory=dict)

    def begin(self, at: float, image_id: str) -> None:
        self.state, self.started_at, self.image_id = "running", at, image_id

    def end(self, at: float) -> None:
        """With exit code 0."""
        self.state, self.finished_at, self.ready = "terminated", at, True


class PodProgress:
    """The status of one pod while it starts; `document` renders what a kubelet would write now."""

    def __init__(self, pod: Pod, node_address: str, pod_address: str) -> None:
        self.pod = pod
        self.node_address = node_address
        self.pod_address = pod_address
        self.has_sandbox = False
        self.init_containers = [
            ContainerProgress(item, f"spec.initContainers{{{item.name}}}", waiting_reason=_INITIALIZING)
            for item in pod.spec.init_containers
        ]
        reason = _INITIALIZING if self.init_containers else "ContainerCreating"
        self.containers = [
            ContainerProgress(item, f"spec.containers{{{item.name}}}", waiting_reason=reason)
            for item in pod.spec.containers
        ]
        self._conditions: dict[str, tuple[bool, float]] = {}

    def document(self, at: float, bound_at: float, clock: Clock) -> dict[str, Any]:
        """The `status` of a strategic merge patch; the scheduler's own condition stays as it is."""
        status: dict[str, Any] = {
            "phase": "Running" if any(item.state == "running" for item in self.containers) else "Pending",
            "startTime": clock.timestamp(bound_at),
            "hostIP": self.node_address,
            "hostIPs": [{"ip": self.node_address}],
            "conditions": self._condition_list(at, clock),
            "containerStatuses": [self._container(item, clock) for item in self.containers],
        }
        if self.init_containers:
            status["initContainerStatuses"] = [self._container(item, clock) for item in self.init_containers]
        if self.has_sandbox:
            status |= {"podIP": self.pod_address, "podIPs": [{"ip": self.pod_address}]}
        return status

    def _condition_list(self, at: float, clock: Clock) -> list[dict[str, Any]]:
        initialized = all(item.state == "terminated" or _is_sidecar(item) for item in self.init_containers)
        ready = bool(self.containers) and all(item.ready for item in self.containers)
        documents = []
        for kind, holds in zip(CONDITIONS, (self.has_sandbox, initialized, ready, ready), strict=True):
            if self._conditions.get(kind, (None, 0.0))[0] != holds:
                self._conditions[kind] = (holds, at)
            documents.append(self._condition(kind, holds, clock.timestamp(self._conditions[kind][1])))
        return documents

    def _condition(self, kind: str, holds: bool, since: str) -> dict[str, Any]:
        document: dict[str, Any] = {
            "type": kind,
            "status": str(holds),
            "lastProbeTime": None,
            "lastTransitionTime": since,
            "observedGeneration": self.pod.metadata.generation,
            "reason": None,
            "message": None,
        }
        if holds or kind == "PodReadyToStartContainers":
            return document
        behind = self.init_containers if kind == "Initialized" else self.containers
        late = " ".join(item.container.name for item in behind if not item.ready)
        word, text = ("NotInitialized", "incomplete") if kind == "Initialized" else ("NotReady", "unready")
        return {**document, "reason": f"Containers{word}", "message": f"containers with {text} status: [{late}]"}

    def _container(self, item: ContainerProgress, clock: Clock) -> dict[str, Any]:
        seed = f"{self.pod.metadata.uid} {item.container.name} {item.restarts}"
        identity = f"containerd://{hashlib.sha256(seed.encode()).hexdigest()}" if item.state != "waiting" else ""
        return {
            "name": item.container.name,
            "image": item.container.image,
            "imageID": item.image_id,
            "containerID": identity,
            "ready": item.ready,
            "started": item.state == "running",
            "restartCount": item.restarts,
            "state": _state(item, identity, clock),
            "lastState": item.last_state,
        }


def terminated(item: ContainerProgress, clock: Clock, *, at: float, exit_code: int) -> dict[str, Any]:
    """A `state` or `lastState` that says a container ended."""
    return {
        "terminated": {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "startedAt": clock.timestamp(item.started_at),
            "finishedAt": clock.timestamp(at),
        }
    }


_INITIALIZING = "PodInitializing"


def _state(item: ContainerProgress, identity: str, clock: Clock) -> dict[str, Any]:
    if item.state == "waiting":
        return {"waiting": {"reason": item.waiting_reason}}
    if item.state == "running":
        return {"running": {"startedAt": clock.timestamp(item.started_at)}}
    state = terminated(item, clock, at=item.finished_at, exit_code=0)
    state["terminated"]["containerID"] = identity
    return state


def _is_sidecar(item: ContainerProgress) -> bool:
    return item.container.restart_policy == "Always" and item.state == "running"
