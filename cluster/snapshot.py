"""The reflectors that make a snapshot, started together and judged together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final, TypeVar

from cluster import wire
from cluster.bound import outline
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.fleet import Fleet
from cluster.leases import LeaseName
from cluster.reflector import Listener, Reflector, Resource
from cluster.tenancy import Tenancy
from cluster.translation import outline_of_node
from cluster.troubles import Troubles
from cluster.waiting import WaitingPods, keep_document
from model import names

T = TypeVar("T", bound=wire.Object)

REFUSAL_LOOK_SECONDS: Final = 0.2

NAMESPACES: Final = Resource("namespaces", "/api/v1/namespaces", wire.Namespace, is_small=True)
PROFILES: Final = Resource(
    "tenantprofiles", f"/apis/{names.API_VERSION}/tenantprofiles", wire.TenantProfile, is_small=True
)
RUNTIME_CLASSES: Final = Resource(
    "runtimeclasses", "/apis/node.k8s.io/v1/runtimeclasses", wire.RuntimeClass, is_small=True
)
LEASES: Final = Resource("leases", LeaseName(names.NAMESPACE, "").collection, wire.Lease, is_small=True)
NODES: Final = Resource("nodes", "/api/v1/nodes", wire.Node, outline=outline_of_node)
PODS: Final = Resource("pods", "/api/v1/pods", wire.Pod, keep=keep_document, outline=outline)
BOUND_PODS: Final = Resource("pods", PODS.path, wire.Pod, {"fieldSelector": "spec.nodeName!="}, outline=outline)
"""Half of what happens to pods happens before they are bound."""

SANDBOX_FAILURES: Final = Resource(
    "sandboxfailures",
    "/api/v1/events",
    wire.Event,
    {"fieldSelector": "reason=FailedCreatePodSandBox"},
    has_bookmarks=False,
)
CONTAINERD_STARTS: Final = Resource(
    "containerdstarts",
    "/api/v1/events",
    wire.Event,
    {"fieldSelector": "reason=ContainerdStart"},
    has_bookmarks=False,
)


class Snapshot:
    """Stoker's copy of the cluster: `tenancy` always; `fleet` and `waiting` where they were asked for.

    `complaint()` says why it cannot be relied on, or None. The tenancy has a narrower one of its own, so that admission
    does not depend on the watches of pods and nodes. Two kinds never make it unreliable: Events, which only add
    evidence, and Leases, since one that cannot be followed is one that nobody is seen to renew.
    `with_waiting` False leaves pods unread until they are bound, and `waiting` empty. `with_leases` False is for people
    who may not read Leases. `pace` is by how much the reflectors' own time (silence,
    back-off) is faster than the wall's: 1 but where an outage of minutes is to be over in seconds.
    """

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        *,
        with_fleet: bool,
        with_waiting: bool = True,
        with_leases: bool = True,
        pace: float = 1.0,
    ) -> None:
        def follow(resource: Resource[T], listener: Listener[T]) -> Reflector[T]:
            return Reflector(
                client,
                resource,
                listener,
                clock=lambda: monotonic() * pace,
                sleep=lambda seconds: asyncio.sleep(seconds / pace),
                troubles=self.troubles,
            )

        self.clock = clock
        self.troubles = Troubles()
        self.tenancy = tenancy = Tenancy(lambda: _complaint(self._tenancy_reflectors))
        self.fleet = fleet = Fleet(clock, tenancy, self.complaint)
        self.waiting = WaitingPods(clock)

        self._tenancy_reflectors: list[Reflector[Any]] = [
            follow(NAMESPACES, tenancy.namespace_changed),
            follow(PROFILES, tenancy.profile_changed),
            follow(RUNTIME_CLASSES, tenancy.runtime_class_changed),
        ]
        self._fleet_reflectors: list[Reflector[Any]] = [
            follow(NODES, fleet.node_changed),
            follow(PODS if with_waiting else BOUND_PODS, self.pod_changed),
        ]
        evidence: list[Reflector[Any]] = [
            follow(SANDBOX_FAILURES, fleet.sandbox_failure_changed),
            follow(CONTAINERD_STARTS, fleet.containerd_start_changed),
        ]
        self._judged = [*self._tenancy_reflectors, *(self._fleet_reflectors if with_fleet else ())]
        self._leases = [follow(LEASES, tenancy.leases.changed)] if with_leases else []
        self._read = [*self._judged, *(evidence if with_fleet else ())]
        self.reflectors: Sequence[Reflector[Any]] = [*self._read, *self._leases]

    def pod_changed(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        """Both are told: what the fleet stumbles over must not leave a pod waiting that does not wait any more."""
        try:
            self.fleet.pod_changed(old, new)
        finally:
            self.waiting.pod_changed(old, new)

    def complaint(self) -> str | None:
        return _complaint(self._judged)

    async def synced(self) -> None:
        """Wait until every collection but the Leases was read once; ApiError where the server refuses one for good."""
        for reflector in self._read:
            while not reflector.synced.is_set():
                if reflector.refusal is not None:
                    raise reflector.refusal
                await _either(reflector.synced, REFUSAL_LOOK_SECONDS)

    async def admission_read(self) -> None:
        """Wait until all that admission goes by was read once, Leases too; for ever where the server refuses some."""
        for reflector in (*self._tenancy_reflectors, *self._leases):
            await reflector.synced.wait()

    async def whole(self) -> None:
        """Wait until every collection that the snapshot is judged by was read once, however long that takes."""
        for reflector in self._judged:
            await reflector.synced.wait()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Snapshot]:
        """Follow the cluster inside the block."""
        tasks = [asyncio.create_task(reflector.run(), name=reflector.resource.name) for reflector in self.reflectors]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, or after so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _complaint(reflectors: Sequence[Reflector[Any]]) -> str | None:
    return "; ".join(text for reflector in reflectors if (text := reflector.complaint())) or None
