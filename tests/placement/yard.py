"""A tenant's yard on a real control plane: nodes, pods and controllers of its own.

Its pods select the yard's nodes by a label, so what other tests leave behind is nobody's candidate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from cluster import wire
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.events import EventRecorder
from cluster.leases import Leadership, LeaseName
from cluster.reflector import Reflector, Resource
from cluster.snapshot import Snapshot
from cluster.waiting import is_unschedulable
from lab.controlplane import ControlPlane
from manifests.loader import load
from model import names
from model.errors import ApiError, Conflict, NotFound
from placement.controller import PlacementController
from placement.gates import GateKeeper
from tests.builders import container
from tests.cli.command import until
from tests.conftest import namespace_name

IMAGE: Final = "registry.example/agent:v1.4.2"
RUNTIME_CLASS: Final = "kata-yard"
HANDLER: Final = "kata-qemu"
PROFILE: Final = "yard"
LABEL: Final = "yard"
SHIPPED: Final = ("CustomResourceDefinition", "Namespace", "ServiceAccount")

Document = dict[str, Any]


async def install(control_plane: ControlPlane) -> None:
    """What placement needs of the manifests: the CRD, the accounts and their rights."""
    objects = [
        item
        for item in load("base")
        if item["kind"] in SHIPPED or item["apiVersion"].startswith("rbac.authorization.k8s.io")
    ]
    runtime_class = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "handler": HANDLER}
    objects.append({**runtime_class, "metadata": {"name": RUNTIME_CLASS}})
    text = "\n---\n".join(msgspec.json.encode(item).decode() for item in objects)
    await control_plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    await control_plane.kubectl("wait", "--for=condition=Established", "crd/tenantprofiles.stoker.dev", "--timeout=30s")


@dataclass(slots=True)
class Yard:
    """`history`: the pods' states as a watch brings them."""

    client: ApiClient
    scheduler_name: str
    namespace: str
    history: list[wire.Pod] = field(default_factory=list)
    _nodes: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def open(cls, client: ApiClient, scheduler_name: str) -> AsyncIterator[Yard]:
        yard = cls(client, scheduler_name, namespace_name("yard"))
        await client.create("/api/v1/namespaces", {"metadata": {"name": yard.namespace}})
        await until(yard._has_account)
        await yard.profile()
        pods = Resource("yard", f"/api/v1/namespaces/{yard.namespace}/pods", wire.Pod)
        watching = asyncio.create_task(Reflector(client, pods, yard._saw).run())
        try:
            yield yard
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await yard._clean_up()

    async def profile(self, name: str = PROFILE, **spec: Any) -> None:
        """Made, or replaced."""
        path = f"/apis/{names.API_VERSION}/tenantprofiles"
        members = {"runtimeClassName": RUNTIME_CLASS, "maxHoldSeconds": 60, **spec}
        body = {"apiVersion": names.API_VERSION, "kind": "TenantProfile", "metadata": {"name": name}, "spec": members}
        with suppress(NotFound):
            await self.client.delete(f"{path}/{name}")
        await self.client.create(path, body)

    async def node(self, name: str = "warm", *, cpu: str = "4", settling: bool = False) -> str:
        """A Ready node with the handler and the image; its full name. Settling: containerd has just been restarted."""
        full = f"{self.namespace}-{name}"
        annotations = {}
        if settling:  # and not in the second of the creation, or it might have been on another node of the name
            instant = datetime.now(UTC) + timedelta(seconds=1.5)
            annotations[names.RUNTIME_RESTARTED_ANNOTATION] = instant.isoformat()
        amounts = {"cpu": cpu, "memory": "64Gi", "pods": "110"}
        labels = {LABEL: self.namespace, "kubernetes.io/hostname": full}
        body = {
            "metadata": {"name": full, "labels": labels, "annotations": annotations},
            "status": {
                "allocatable": amounts,
                "capacity": amounts,
                "conditions": [{"type": "Ready", "status": "True", "reason": "Tested", "message": "of the yard"}],
                "images": [{"names": [IMAGE], "sizeBytes": 1_130_000_000}],
                "runtimeHandlers": [{"name": HANDLER}],
                "nodeInfo": {**dict.fromkeys(NODE_INFO, ""), "architecture": "amd64", "operatingSystem": "linux"},
            },
        }
        await self.client.create("/api/v1/nodes", body)
        self._nodes.append(full)
        await self.client.patch(f"/api/v1/nodes/{full}", {"spec": {"taints": None}})
        return full

    async def priority(self, value: int, policy: str = "PreemptLowerPriority") -> str:
        """The name of a new PriorityClass."""
        name = f"{self.namespace}-{value}"
        body = {"metadata": {"name": name}, "value": value, "preemptionPolicy": policy}
        await self.client.create("/apis/scheduling.k8s.io/v1/priorityclasses", body)
        await self._until_known(name)
        return name

    async def _until_known(self, priority: str) -> None:
        """The API server's admission follows PriorityClasses by a watch, and so a moment behind."""
        probe = {
            "metadata": {"name": "probe"},
            "spec": {"priorityClassName": priority, "containers": [{"name": "c", "image": "i"}]},
        }
        async with asyncio.timeout(60):
            while True:
                try:
                    await self.client.create(self.pods, probe, dryRun="All")
                except ApiError:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def cordon(self, node: str) -> None:
        await self.client.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})

    async def remove_node(self, node: str) -> None:
        await self.client.delete(f"/api/v1/nodes/{node}")
        self._nodes.remove(node)

    async def pod(self, name: str = "agent", *, cpu: str = "1", profile: str = PROFILE, **members: Any) -> Document:
        """As the webhook would leave it: gated, annotated; `gates` and members of spec may be given."""
        gates = members.pop("gates", (names.WARM_NODE_GATE,))
        spec = {
            "runtimeClassName": RUNTIME_CLASS,
            "schedulerName": self.scheduler_name,
            "nodeSelector": {LABEL: self.namespace},
            "schedulingGates": [{"name": gate} for gate in gates],
            "containers": [container(image=IMAGE, resources={"requests": {"cpu": cpu}})],
            "terminationGracePeriodSeconds": 0,
            **members,
        }
        metadata = {"name": name, "annotations": {names.PROFILE_ANNOTATION: profile}}
        created: Document = await self.client.create(self.pods, {"metadata": metadata, "spec": spec})
        return created

    @property
    def pods(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def read(self, name: str = "agent") -> wire.Pod:
        raw = await self.client.get_bytes(f"{self.pods}/{name}")
        pod = msgspec.json.decode(raw, type=wire.Pod)
        pod.document = raw
        return pod

    async def seen(self, name: str, holds: Callable[[wire.Pod], bool]) -> wire.Pod:
        """The first state of the pod, from now back to its beginning and on, of which that holds."""
        async with asyncio.timeout(60):
            looked_at = 0
            while True:
                for pod in self.history[looked_at:]:
                    looked_at += 1
                    if pod.metadata.name == name and holds(pod):
                        return pod
                self._news.clear()
                await self._news.wait()

    async def bound(self, name: str = "agent") -> str:
        return (await self.seen(name, lambda pod: bool(pod.spec.node_name))).spec.node_name

    async def opened(self, name: str = "agent") -> wire.Pod:
        return await self.seen(name, lambda pod: not any(map(is_ours, pod.spec.scheduling_gates)))

    async def unschedulable(self, name: str = "agent") -> wire.Pod:
        return await self.seen(name, is_unschedulable)

    def states(self, name: str = "agent") -> list[wire.Pod]:
        return [pod for pod in self.history if pod.metadata.name == name]

    async def event(self, reason: str, name: str = "agent") -> wire.Event:
        """The event of Stoker's about a pod, as soon as it is there."""
        path, selector = f"/api/v1/namespaces/{self.namespace}/events", f"reason={reason},involvedObject.name={name}"

        async def told() -> wire.Event | None:
            raw = await self.client.get_bytes(path, fieldSelector=selector)
            items = msgspec.json.decode(raw, type=wire.ObjectList).items
            return msgspec.json.decode(items[0], type=wire.Event) if items else None

        return await until(told)

    @asynccontextmanager
    async def controller(
        self, client: ApiClient | None = None, *, lease_in: str = "", leads: bool | None = None
    ) -> AsyncIterator[Leadership]:
        """A replica's controllers, on a Lease of the yard's; inside the block its snapshot is synced.

        `leads`: what it believes, where that is not to be decided by the Lease.
        """
        client = client or self.client
        snapshot = Snapshot(client, Clock(), with_fleet=True, with_leases=False)
        lease = LeaseName(lease_in or self.namespace, names.CONTROLLERS_LEASE)
        leadership = (Leadership if leads is None else partial(Believer, leads))(client, lease, identity="yard")
        recorder = EventRecorder(client, "stoker-placement")
        placement = PlacementController(snapshot, GateKeeper(client), leadership, recorder.emit)
        async with snapshot.following():
            tasks = [asyncio.create_task(work.run()) for work in (recorder, leadership, placement)]
            try:
                await snapshot.synced()
                yield leadership
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _saw(self, _: wire.Pod | None, new: wire.Pod | None) -> None:
        if new is not None:
            self.history.append(new)
        self._news.set()

    async def _has_account(self) -> bool | None:
        try:
            await self.client.get(f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default")
        except NotFound:
            return None
        return True

    async def _clean_up(self) -> None:
        await self.client.delete(self.pods, {"gracePeriodSeconds": 0})
        for node in self._nodes:
            with suppress(NotFound, Conflict):
                await self.client.delete(f"/api/v1/nodes/{node}")


class Believer(Leadership):
    """Leads, or not, as it believes: as two do for a moment when a machine has slept."""

    def __init__(self, leads: bool, client: ApiClient, lease: LeaseName, *, identity: str) -> None:
        super().__init__(client, lease, identity=identity)
        self._leads = leads

    @property
    def leading(self) -> bool:
        return self._leads


NODE_INFO: Final = (
    *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"),
    *("containerRuntimeVersion", "kubeletVersion", "kubeProxyVersion"),
)


def is_ours(gate: wire.SchedulingGate) -> bool:
    return gate.name == names.WARM_NODE_GATE


def forecast_node(pod: wire.Pod) -> str:
    told: str = msgspec.json.decode(pod.metadata.annotations[names.FORECAST_ANNOTATION])["node"]
    return told
