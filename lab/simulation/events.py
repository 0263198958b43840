"""The events that kubelets write about pods."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, Final, Literal

from cluster.client import ApiClient
from lab.simulation.clock import Clock
from lab.simulation.pods import Pod
from lab.simulation.writes import PAUSE_WALL_SECONDS, Tasks
from model.errors import ApiError, Conflict, ConnectionFailed, NotFound

WORKERS: Final = 2
ATTEMPTS: Final = 4
FORBIDDEN: Final = 403
"""Also what a namespace that is being deleted answers."""


@dataclass(frozen=True, slots=True)
class PodEvent:
    """One thing that happened to a pod, at a model second."""

    pod: Pod
    at: float
    reason: str
    message: str
    field_path: str = ""
    """The container it is about, such as `spec.containers{agent}`."""

    kind: Literal["Normal", "Warning"] = "Normal"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Events that share it are one object, counted up."""
        return (self.pod.metadata.uid, self.field_path, self.reason, self.message)


@dataclass(slots=True)
class _Recorded:
    path: str
    count: int


class EventRecorder:
    """Writes events in the background; one that repeats is counted up. What cannot be written is given up soon."""

    def __init__(self, api: ApiClient, clock: Clock, tasks: Tasks) -> None:
        self._api = api
        self._clock = clock
        self._tasks = tasks
        self._queue: asyncio.Queue[PodEvent] = asyncio.Queue()
        self._recorded: dict[tuple[str, str, str, str], _Recorded] = {}

    def start(self) -> None:
        for number in range(WORKERS):
            self._tasks.spawn(self._work(), f"events {number}")

    def record(self, event: PodEvent) -> None:
        self._queue.put_nowait(event)

    async def _work(self) -> None:
        while True:
            event = await self._queue.get()
            for _ in range(ATTEMPTS):
                if await self._written(event):
                    break
                await asyncio.sleep(PAUSE_WALL_SECONDS)

    async def _written(self, event: PodEvent) -> bool:
        """False where another attempt may help."""
        try:
            await self._write(event)
        except (NotFound, Conflict):
            return True  # its namespace is gone, or an attempt that seemed to fail did not
        except ConnectionFailed:
            return False
        except ApiError as error:
            return error.status == FORBIDDEN
        return True

    async def _write(self, event: PodEvent) -> None:
        known = self._recorded.get(event.key)
        if known is not None:
            known.count += 1
            repeated = {"count": known.count, "lastTimestamp": self._clock.timestamp(event.at)}
            await self._api.patch(known.path, repeated)
            return
        collection = f"/api/v1/namespaces/{event.pod.metadata.namespace}/events"
        body = _document(event, self._clock.timestamp(event.at))
        self._recorded[event.key] = _Recorded(f"{collection}/{body['metadata']['name']}", 1)
        try:
            await self._api.create(collection, body)
        except (ApiError, ConnectionFailed):
            del self._recorded[event.key]
            raise


def _document(event: PodEvent, timestamp: str) -> dict[str, Any]:
    metadata = event.pod.metadata
    suffix = hashlib.sha256("/".join(event.key).encode()).hexdigest()[:16]
    source = {"component": "kubelet", "host": event.pod.spec.node_name}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata.name}.{suffix}", "namespace": metadata.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "fieldPath": event.field_path,
        },
        "type": event.kind,
        "reason": event.reason,
        "message": event.message,
        "count": 1,
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
        "source": source,
        "reportingComponent": source["component"],
        "reportingInstance": source["host"],
    }
