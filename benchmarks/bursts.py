"""A burst of gated pods, always the same ones, and what a watch on them sees: the first write, and every binding."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import msgspec

from cluster import wire
from cluster.client import ApiClient
from cluster.reflector import Reflector, Resource
from lab.constants import Constants
from lab.workload import TENANT_NAMESPACE, tenant_pod
from model import names
from model.errors import LabError

COLLECTION: Final = f"/api/v1/namespaces/{TENANT_NAMESPACE}/pods"
CONNECTIONS: Final = 32
BURST_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Call:
    """How a burst is to be placed: behind which gate its pods wait, and which scheduler is asked for."""

    gate: str
    scheduler: str


class _Forecast(msgspec.Struct):
    node: str = ""


@dataclass(slots=True)
class Sighting:
    """What the watch has shown of one pod; instants are those of their receipt, on the local monotonic clock."""

    first_write: float | None = None
    bound: float | None = None
    node: str = ""
    promised: str = ""
    """The node that its forecast names; empty without one."""

    def see(self, pod: wire.Pod, now: float) -> None:
        if self.first_write is None and (pod.status.nominated_node_name or not pod.spec.scheduling_gates):
            self.first_write = now
        if text := pod.metadata.annotations.get(names.FORECAST_ANNOTATION):
            self.promised = msgspec.json.decode(text, type=_Forecast).node
        if self.bound is None and pod.spec.node_name:
            self.bound, self.node = now, pod.spec.node_name


class Burst:
    """The pods of one round, followed from before the first write on."""

    def __init__(self, client: ApiClient) -> None:
        self.sightings: dict[str, Sighting] = {}
        self._client = client
        self._changed = asyncio.Event()
        self._reflector = Reflector(client, Resource("burst", COLLECTION, wire.Pod), self._see)

    @classmethod
    @asynccontextmanager
    async def of(cls, client: ApiClient, constants: Constants, count: int, call: Call) -> AsyncIterator[Burst]:
        """`count` pods exist behind the gate when the block begins; they are gone after it."""
        burst = cls(client)
        slots = asyncio.Semaphore(CONNECTIONS)

        async def create(pod: dict[str, Any]) -> None:
            async with slots:
                await client.create(COLLECTION, pod)

        await asyncio.gather(*(create(_pod(number, constants, call)) for number in range(count)))
        following = asyncio.create_task(burst._reflector.run())
        try:
            await burst._until(lambda: len(burst.sightings) == count, "the created pods are not seen")
            yield burst
            await client.delete(COLLECTION, {"gracePeriodSeconds": 0})
            await burst._until(lambda: not burst._reflector.objects, "the deleted pods are still seen")
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def open_gates(self, client: ApiClient) -> None:
        """What somebody does who knows no better node: take the gates away as fast as can be, and nothing else."""
        slots = asyncio.Semaphore(CONNECTIONS)

        async def open_gate(name: str) -> None:
            async with slots:
                await client.patch_for_version(f"{COLLECTION}/{name}", {"spec": {"schedulingGates": None}})

        pods = [pod.metadata.name for pod in self._reflector.objects.values()]
        await asyncio.gather(*map(open_gate, pods))

    async def all_bound(self) -> list[Sighting]:
        """Every pod's sighting, as soon as each of them is bound; LabError where that takes minutes."""

        def done() -> bool:
            return all(item.bound is not None for item in self.sightings.values())

        await self._until(done, "not every pod of the burst is bound")
        return list(self.sightings.values())

    def _see(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        del old
        if new is not None:
            self.sightings.setdefault(new.metadata.uid, Sighting()).see(new, monotonic())
        self._changed.set()

    async def _until(self, condition: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(BURST_SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
                    await asyncio.sleep(0.02)  # so that the watcher does not count pods for each event
        except TimeoutError as error:
            raise LabError(f"within {BURST_SECONDS:.0f} s: {complaint}") from error


def seconds_to_bind(sightings: Sequence[Sighting]) -> float:
    """From the first write on any of the pods to the last binding, as the watch showed them."""
    first = min(item.first_write for item in sightings if item.first_write is not None)
    return max(item.bound for item in sightings if item.bound is not None) - first


def _pod(number: int, constants: Constants, call: Call) -> dict[str, Any]:
    """As the webhook would have stored it, with the gate and the scheduler of the call."""
    pod = tenant_pod(f"agent-{number:04}", constants)
    pod["metadata"]["annotations"] = {names.PROFILE_ANNOTATION: "kata-agents"}
    pod["spec"] |= {"schedulingGates": [{"name": call.gate}], "schedulerName": call.scheduler}
    return pod
