"""The controller at a desk: a snapshot that tests write to, a clock that stands still, and gates that need no API."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec
from prometheus_client import REGISTRY

from cluster import wire
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.events import PodEvent
from cluster.leases import Leadership
from cluster.snapshot import Snapshot
from model import names
from model.errors import Conflict, NotFound
from placement.controller import PlacementController
from placement.gates import GateKeeper
from placement.ownership import is_ours
from tests.cluster.objects import decoded, image, node_document

START: Final = datetime(2026, 3, 3, 10, 0, tzinfo=UTC).timestamp()
IMAGE: Final = "registry.example/agent:v1.4.2"
PROFILE: Final = "kata-agents"
DEADLINE_WALL_SECONDS: Final = 20.0

Document = dict[str, Any]


def text_of(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unschedulable(document: Document) -> None:
    """What a scheduler tells of a pod that it has found no node for."""
    document["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def _counts_to(rounds: float) -> bool:
    return counted("stoker_placement_round_seconds_count") >= rounds


class Leader:
    """A replica that believes what it is told to."""

    def __init__(self) -> None:
        self.leading = True
        self.observers: list[Callable[[], None]] = []


class Gates(GateKeeper):
    """Writes to the desk's pods with the API's preconditions; `failures` are raised before a write, in their order.

    `may_go_on` is waited for between the two writes of a nomination.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.failures: list[Exception] = []
        self.stop_after_nomination: Exception | None = None
        self.calls: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def nominate(self, pod: wire.Pod, node: str, forecast: str) -> str:
        first = await self._write("nominate", pod, pod.metadata.resource_version, node=node, forecast=forecast)
        await self.may_go_on.wait()
        if self.stop_after_nomination is not None:
            raise self.stop_after_nomination
        return await self._write("open", pod, first, opens=True)

    async def let_through(self, pod: wire.Pod) -> str:
        version = pod.metadata.resource_version
        if is_ours(pod):
            version = await self.clear(pod)
        return await self._write("let-through", pod, version, opens=True)

    async def finish(self, pod: wire.Pod) -> str:
        return await self._write("finish", pod, pod.metadata.resource_version, opens=True)

    async def clear(self, pod: wire.Pod) -> str:
        return await self._write("clear", pod, pod.metadata.resource_version, node="", forecast="")

    async def disown(self, pod: wire.Pod) -> str:
        return await self._write("disown", pod, pod.metadata.resource_version, forecast="")

    async def annotate(self, pod: wire.Pod, forecast: str) -> str:
        return await self._write("annotate", pod, pod.metadata.resource_version, forecast=forecast)

    async def _write(self, kind: str, pod: wire.Pod, version: str, *, opens: bool = False, **status: str) -> str:
        self.calls.append(f"{kind} {pod.metadata.name}")
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return self._desk.write(pod.metadata.name, version, opens=opens, **status)


class Desk:
    """Pods and nodes by name; what is written to them reaches the snapshot at once, as by a watch."""

    def __init__(self) -> None:
        self.now = START
        self.events: list[PodEvent] = []
        self.gates = Gates(self)
        self.leader = Leader()
        self.is_delivering = True
        self._pods: dict[str, Document] = {}
        self._made: Counter[str] = Counter()
        self._seen: dict[str, wire.Pod] = {}
        self._nodes: dict[str, wire.Node] = {}
        self._versions = itertools.count(1)
        client: ApiClient = None  # type: ignore[assignment] # nothing is followed at a desk
        self.set_by = 0.0
        """By how much somebody has set the clock."""

        self.snapshot = Snapshot(
            client, Clock(wall=lambda: self.now + self.set_by, steady=lambda: self.now), with_fleet=True
        )
        self.set_synced(True)

    def set_synced(self, synced: bool) -> None:
        for reflector in self.snapshot.reflectors:
            reflector.synced.set() if synced else reflector.synced.clear()

    def profile(self, **spec: Any) -> None:
        members = {"runtimeClassName": "kata-qemu", **spec}
        document = {"metadata": {"name": PROFILE}, "spec": members}
        self.snapshot.tenancy.profile_changed(None, decoded(wire.TenantProfile, document))

    def node(
        self, name: str = "warm", *, cpu: str = "4", handlers: tuple[str, ...] = ("kata-qemu",), **rest: Any
    ) -> None:
        """A warm node, or one that is changed: `annotations`, `unschedulable`, `ready`."""
        spec = {"unschedulable": rest.pop("unschedulable", False)}
        metadata = {
            "annotations": rest.pop("annotations", {}),
            "labels": {"kubernetes.io/hostname": name},
            "creationTimestamp": text_of(START - 3_600),
        }
        document = node_document(
            name,
            images=[image(IMAGE)],
            handlers=list(handlers),
            metadata=metadata,
            allocatable={"cpu": cpu, "memory": "64Gi", "pods": "110"},
            **rest,
        )
        document["spec"] = spec
        self._tell_node(name, decoded(wire.Node, document))

    def settling_node(self, name: str = "settling", seconds: float = 10.0, **rest: Any) -> None:
        """Settled in so many seconds from now."""
        restarted = text_of(self.now + seconds - 21)  # the end of the second counts, and 20 s of settling
        self.node(name, annotations={names.RUNTIME_RESTARTED_ANNOTATION: restarted}, **rest)

    def remove_node(self, name: str) -> None:
        self._tell_node(name, None)

    def pod(self, name: str = "agent", *, cpu: str = "1", age: float = 0.0, **members: Any) -> None:
        """Behind our gate; another pod than a former one of its name.

        `gates`, `nominated`, `forecast_for`, `annotations` and members of spec may be given.
        """
        gates = members.pop("gates", (names.WARM_NODE_GATE,))
        annotations = {names.PROFILE_ANNOTATION: PROFILE, **members.pop("annotations", {})}
        if target := members.pop("forecast_for", ""):
            annotations[names.FORECAST_ANNOTATION] = msgspec.json.encode({"node": target, "seconds": 43}).decode()
        status = {"phase": "Pending"}
        if nominated := members.pop("nominated", ""):
            status["nominatedNodeName"] = nominated
        self._pods[name] = {
            "metadata": {
                "name": name,
                "namespace": "tenant-a",
                "uid": f"uid-{name}" + (f"-{self._made[name]}" if self._made[name] else ""),
                "creationTimestamp": text_of(self.now - age),
                "annotations": annotations,
            },
            "spec": {
                "runtimeClassName": "kata-qemu",
                "schedulingGates": [{"name": gate} for gate in gates],
                "containers": [{"name": "main", "image": IMAGE, "resources": {"requests": {"cpu": cpu}}}],
                **members,
            },
            "status": status,
        }
        self._made[name] += 1
        self._bump(name)

    def edit(self, name: str, change: Callable[[Document], None]) -> None:
        """Somebody else's write."""
        change(self._pods[name])
        self._bump(name)

    def bind(self, name: str, node: str) -> None:
        """What the scheduler and the API server make of a pod together."""

        def bound(document: Document) -> None:
            document["spec"]["nodeName"] = node
            document["status"].pop("nominatedNodeName", None)

        self.edit(name, bound)

    def delete(self, name: str) -> None:
        del self._pods[name]
        self._tell_pod(name, None)

    def has(self, name: str) -> bool:
        return name in self._pods

    def pods(self) -> list[wire.Pod]:
        return [self.read(name) for name in self._pods]

    def seen(self) -> list[wire.Pod]:
        """As the watch has brought them."""
        return list(self._seen.values())

    def gated(self) -> list[str]:
        return [name for name in self._pods if self._has_gate(name)]

    def read(self, name: str = "agent") -> wire.Pod:
        return decoded(wire.Pod, self._pods[name])

    def write(
        self, name: str, version: str, *, opens: bool, node: str | None = None, forecast: str | None = None
    ) -> str:
        document = self._pods.get(name)
        if document is None:
            raise NotFound(f"pod {name} is gone", status=404)
        if document["metadata"]["resourceVersion"] != version:
            raise Conflict(f"pod {name} was edited", status=409)
        before = msgspec.json.encode(document)
        if opens:
            others = [gate for gate in document["spec"]["schedulingGates"] if gate["name"] != names.WARM_NODE_GATE]
            document["spec"]["schedulingGates"] = others
        if node is not None:
            document["status"]["nominatedNodeName"] = node
        if forecast is not None:
            document["metadata"]["annotations"].pop(names.FORECAST_ANNOTATION, None)
        if forecast:
            document["metadata"]["annotations"][names.FORECAST_ANNOTATION] = forecast
        if msgspec.json.encode(document) != before:
            self._bump(name)
        return str(document["metadata"]["resourceVersion"])

    def deliver(self) -> None:
        """Let the watch catch up, and go on."""
        self.is_delivering = True
        for name in self._pods.keys() | self._seen.keys():
            self._tell_pod(name, self.read(name) if name in self._pods else None)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[PlacementController]:
        leadership: Leadership = self.leader  # type: ignore[assignment] # all that the controller asks of it
        controller = PlacementController(self.snapshot, self.gates, leadership, self._hear)
        task = asyncio.create_task(controller.run())
        try:
            yield controller
            assert not task.done(), "the controller ended by itself"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.snapshot.waiting.observers.clear()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_WALL_SECONDS):
            while not holds():  # noqa: ASYNC110 - the controller's loop tells nobody when it is through
                await asyncio.sleep(0.005)

    async def rounds(self, count: int = 2) -> None:
        """Until the controller has looked at all pods so many times more."""
        for _ in range(count):
            wanted = counted("stoker_placement_round_seconds_count") + 1
            self.snapshot.waiting.observers[0](None, None)
            await self.until(partial(_counts_to, wanted))

    async def opened(self, name: str = "agent") -> wire.Pod:
        await self.until(lambda: not self._has_gate(name))
        return self.read(name)

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    def _hear(self, event: PodEvent) -> bool:
        self.events.append(event)
        return True

    def _has_gate(self, name: str) -> bool:
        return any(gate.name == names.WARM_NODE_GATE for gate in self.read(name).spec.scheduling_gates)

    def _bump(self, name: str) -> None:
        self._pods[name]["metadata"]["resourceVersion"] = str(next(self._versions))
        self._tell_pod(name, self.read(name))

    def _tell_pod(self, name: str, pod: wire.Pod | None) -> None:
        if not self.is_delivering:
            return
        old = self._seen.pop(name, None)
        if pod is not None:
            self._seen[name] = pod
        if old is not None or pod is not None:
            self.snapshot.fleet.pod_changed(old, pod)
            self.snapshot.waiting.pod_changed(old, pod)

    def _tell_node(self, name: str, node: wire.Node | None) -> None:
        old = self._nodes.pop(name, None)
        if node is not None:
            self._nodes[name] = node
        if old is not None or node is not None:
            self.snapshot.fleet.node_changed(old, node)
