"""The reflectors that make a snapshot, started together and judged together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from cluster import wire
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.fleet import Fleet
from cluster.leases import LeaseName
from cluster.reflector import Reflector, Resource
from cluster.tenancy import Tenancy
from model import names

NAMESPACES: Final = Resource("namespaces", "/api/v1/namespaces", wire.Namespace)
PROFILES: Final = Resource("tenantprofiles", f"/apis/{names.API_VERSION}/tenantprofiles", wire.TenantProfile)
RUNTIME_CLASSES: Final = Resource("runtimeclasses", "/apis/node.k8s.io/v1/runtimeclasses", wire.RuntimeClass)
LEASES: Final = Resource("leases", LeaseName(names.NAMESPACE, "").collection, wire.Lease)
NODES: Final = Resource("nodes", "/api/v1/nodes", wire.Node)
PODS: Final = Resource("pods", "/api/v1/pods", wire.Pod)
SANDBOX_FAILURES: Final = Resource(
    "sandboxfailures", "/api/v1/events", wire.Event, {"fieldSelector": "reason=FailedCreatePodSandBox"}
)
CONTAINERD_STARTS: Final = Resource(
    "containerdstarts", "/api/v1/events", wire.Event, {"fieldSelector": "reason=ContainerdStart"}
)


class Snapshot:
    """Stoker's copy of the cluster: `tenancy` always, `fleet` where it was asked for.

    `complaint()` says why it cannot be relied on, or None.
    """

    def __init__(self, client: ApiClient, clock: Clock, *, with_fleet: bool) -> None:
        self.clock = clock
        self.tenancy = Tenancy(self.complaint)
        self.fleet = Fleet(clock, self.tenancy)
        tenancy, fleet = self.tenancy, self.fleet
        self._reflectors: list[Reflector[Any]] = [
            Reflector(client, NAMESPACES, tenancy.namespace_changed),
            Reflector(client, PROFILES, tenancy.profile_changed),
            Reflector(client, RUNTIME_CLASSES, tenancy.runtime_class_changed),
            Reflector(client, LEASES, tenancy.leases.changed),
        ]
        if with_fleet:
            self._reflectors += [
                Reflector(client, NODES, fleet.node_changed),
                Reflector(client, PODS, fleet.pod_changed),
                Reflector(client, SANDBOX_FAILURES, fleet.sandbox_failure_changed),
                Reflector(client, CONTAINERD_STARTS, fleet.containerd_start_changed),
            ]

    @property
    def reflectors(self) -> Sequence[Reflector[Any]]:
        return self._reflectors

    def complaint(self) -> str | None:
        complaints = [text for reflector in self._reflectors if (text := reflector.complaint())]
        return "; ".join(complaints) or None

    async def synced(self) -> None:
        """Wait until every collection was read once."""
        for reflector in self._reflectors:
            await reflector.synced.wait()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Snapshot]:
        """Follow the cluster inside the block."""
        tasks = [asyncio.create_task(reflector.run(), name=reflector.resource.name) for reflector in self._reflectors]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
