"""A burst of gated pods, always the same ones: when the first write to one of them began, and when each was bound.

What measures should weigh little on what is measured, so bindings alone are watched: a third of the changes. Of a
client of our own we know when it begins; somebody else's first nomination is shown by a second watch, which then ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
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

_PLAIN_POD: Final = {"apiVersion": "v1", "kind": "Pod"}
"""What the items of a list leave out."""


@dataclass(frozen=True, slots=True)
class Call:
    """How a burst is to be placed: behind which gate its pods wait, and which scheduler is asked for."""

    gate: str
    scheduler: str


class _Forecast(msgspec.Struct):
    node: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A bound pod; `at` is the binding's receipt on the local monotonic clock, `promised` the node of its forecast."""

    node: str
    promised: str
    at: float

    @classmethod
    def of(cls, pod: wire.Pod, at: float) -> Binding:
        text = pod.metadata.annotations.get(names.FORECAST_ANNOTATION)
        promised = msgspec.json.decode(text, type=_Forecast).node if text else ""
        return cls(pod.spec.node_name, promised, at)


class Burst:
    """The pods of one round, followed from before the first write on."""

    def __init__(self, client: ApiClient, count: int) -> None:
        self._client = client
        self._count = count
        self._began = 0.0
        self._bindings: dict[str, Binding] = {}
        self._changed = asyncio.Event()
        self._bound = Reflector(client, _pods_with("spec.nodeName"), self._see_bound)
        self._nominated = Reflector(client, _pods_with("status.nominatedNodeName"), self._see_nominated)
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def of(cls, client: ApiClient, constants: Constants, count: int, call: Call) -> AsyncIterator[Burst]:
        """`count` pods exist behind the gate when the block begins; they are gone after it."""
        burst = cls(client, count)
        slots = asyncio.Semaphore(CONNECTIONS)

        async def create(pod: dict[str, Any]) -> None:
            async with slots:
                await client.create(COLLECTION, pod)

        await asyncio.gather(*(create(_pod(number, constants, call)) for number in range(count)))
        try:
            await burst._follow()
            yield burst
            await client.delete(COLLECTION, {"gracePeriodSeconds": 0})
            await burst._until(lambda: not burst._bound.objects, "the deleted pods are still seen")
        finally:
            for task in burst._tasks:
                task.cancel()
            await asyncio.gather(*burst._tasks, return_exceptions=True)

    async def open_gates(self, client: ApiClient) -> None:
        """What somebody does who knows no better node: take the gates away as fast as can be, and nothing else.

        By the write that Stoker found cheapest for the API server. That the pods were read is not counted: whoever
        opens gates follows them.
        """
        slots = asyncio.Semaphore(CONNECTIONS)
        pods = (await self._client.get(COLLECTION))["items"]

        async def open_gate(pod: dict[str, Any]) -> None:
            del pod["metadata"]["managedFields"]
            del pod["spec"]["schedulingGates"]
            async with slots:
                await client.update_for_version(f"{COLLECTION}/{pod['metadata']['name']}", _PLAIN_POD | pod)

        self._began = monotonic()
        await asyncio.gather(*map(open_gate, pods))

    async def all_bound(self) -> tuple[list[Binding], float]:
        """Every pod's binding, and the seconds from the first write to the last; LabError where that takes minutes."""
        await self._until(lambda: len(self._bindings) == self._count, "not every pod of the burst is bound")
        bindings = list(self._bindings.values())
        return bindings, max(item.at for item in bindings) - self._began

    async def bound(self, count: int) -> None:
        """Until so many are bound; LabError where that takes minutes."""
        await self._until(lambda: len(self._bindings) >= count, f"not {count} pods of the burst are bound")

    @property
    def count_bound(self) -> int:
        return len(self._bindings)

    async def _follow(self) -> None:
        reflectors = (self._bound, self._nominated)
        self._tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
        for reflector in reflectors:
            await reflector.synced.wait()

    def _see_bound(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        if old is None and new is not None:
            self._bindings[new.metadata.uid] = Binding.of(new, monotonic())
        self._changed.set()

    def _see_nominated(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        del old, new
        if not self._began:
            self._began = monotonic()
            self._tasks[1].cancel()

    async def _until(self, condition: Callable[[], bool], complaint: str) -> None:
        try:
            async with asyncio.timeout(BURST_SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
                    await asyncio.sleep(0.02)  # so that pods are not counted for each event
        except TimeoutError as error:
            raise LabError(f"within {BURST_SECONDS:.0f} s: {complaint}") from error


def _pods_with(field: str) -> Resource[wire.Pod]:
    return Resource(f"burst-{field}", COLLECTION, wire.Pod, {"fieldSelector": f"{field}!="})


def _name(number: int) -> str:
    return f"agent-{number:04}"


def _pod(number: int, constants: Constants, call: Call) -> dict[str, Any]:
    """As the webhook would have stored it, with the gate and the scheduler of the call."""
    pod = tenant_pod(_name(number), constants)
    pod["metadata"]["annotations"] = {names.PROFILE_ANNOTATION: "kata-agents"}
    pod["spec"] |= {"schedulingGates": [{"name": call.gate}], "schedulerName": call.scheduler}
    return pod
