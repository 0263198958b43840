"""Kubernetes Events about pods: queued, deduplicated, rate-limited, and never in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cachetools import TTLCache

from cluster import metrics
from cluster.client import ApiClient
from model.errors import StokerError

log = logging.getLogger(__name__)

QUEUE_LENGTH: Final = 1_000
EVENTS_PER_SECOND: Final = 50.0
REPEAT_SECONDS: Final = 60.0
REPEATS_REMEMBERED: Final = 10_000
LONGEST_WAIT_SECONDS: Final = 10.0
"""How long an event waits at most for more urgent writes to end."""

QUIET_CHECK_SECONDS: Final = 0.1
MESSAGE_LENGTH: Final = 1_024
"""The API refuses longer messages."""


@dataclass(frozen=True, slots=True)
class PodEvent:
    """What to say about a pod."""

    namespace: str
    name: str
    uid: str
    reason: str
    message: str
    annotations: tuple[tuple[str, str], ...] = ()
    type: str = "Normal"


class EventRecorder:
    """Writes events in the background; drops (and counts) what repeats within a minute or exceeds the queue.

    `is_busy` says whether writes are under way that matter more: events wait for their end, but not for long, since
    each of them costs the API server about what those cost.
    """

    def __init__(
        self,
        client: ApiClient,
        component: str,
        *,
        is_busy: Callable[[], bool] = lambda: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._component = component
        self._is_busy = is_busy
        self._sleep = sleep
        self._clock = clock
        self._queue: asyncio.Queue[tuple[float, PodEvent]] = asyncio.Queue(QUEUE_LENGTH)
        self._said: TTLCache[PodEvent, bool] = TTLCache(REPEATS_REMEMBERED, REPEAT_SECONDS, timer=time.monotonic)

    def emit(self, event: PodEvent) -> bool:
        """Whether it is taken, or was taken within the last minute; whoever has to say it may try again later."""
        if event in self._said:
            metrics.EVENTS_EMITTED.labels("repeated").inc()
            return True
        try:
            self._queue.put_nowait((self._clock(), event))
        except asyncio.QueueFull:
            metrics.EVENTS_EMITTED.labels("dropped").inc()
            return False
        self._said[event] = True
        return True

    async def run(self) -> None:
        """Write until cancelled, `EVENTS_PER_SECOND` at most; an event that is refused is logged and given up."""
        while True:
            emitted, event = await self._queue.get()
            while self._is_busy() and self._clock() - emitted < LONGEST_WAIT_SECONDS:
                await self._sleep(QUIET_CHECK_SECONDS)
            try:
                await self._client.create(f"/api/v1/namespaces/{event.namespace}/events", self._body(event))
                metrics.EVENTS_EMITTED.labels("written").inc()
            except StokerError as error:
                metrics.EVENTS_EMITTED.labels("refused").inc()
                log.warning("event %s on pod %s/%s was lost: %s", event.reason, event.namespace, event.name, error)
            await self._sleep(1 / EVENTS_PER_SECOND)

    def _body(self, event: PodEvent) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "namespace": event.namespace,
                "name": f"{event.name[:200].rstrip('-.')}.{secrets.token_hex(8)}",
                "annotations": dict(event.annotations),
            },
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": event.namespace,
                "name": event.name,
                "uid": event.uid,
            },
            "reason": event.reason,
            "message": event.message[:MESSAGE_LENGTH],
            "type": event.type,
            "source": {"component": self._component},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
