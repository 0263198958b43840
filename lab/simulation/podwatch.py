"""One list and watch of all pods, for the kubelets of the whole fleet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from cluster.client import ApiClient
from lab.simulation.pods import EventType, Pod, PodList
from model.errors import ApiError, ConnectionFailed, Expired

logger = logging.getLogger(__name__)

PATH: Final = "/api/v1/pods"
PAUSE_WALL_SECONDS: Final = 0.5
WATCH_WALL_SECONDS: Final = 300
SILENT_WALL_SECONDS: Final = 150.0

Seen = Callable[[Pod], None]
Gone = Callable[[str], None]


class PodWatch:
    """Tells of every pod that is there or changes (`seen`) and of every one that is gone (`gone`, by uid)."""

    def __init__(self, api: ApiClient, seen: Seen, gone: Gone) -> None:
        self._api = api
        self._seen = seen
        self._gone = gone
        self._uids: set[str] = set()
        self._version = ""
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. A broken watch goes on from where it was; where that is too old, from a new list."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Expired:
                self._version = ""
            except (ApiError, ConnectionFailed) as error:
                logger.warning("the simulated kubelets' watch broke off and is tried again: %s", error)
                await asyncio.sleep(PAUSE_WALL_SECONDS)

    async def _list(self) -> None:
        pods = msgspec.json.decode(await self._api.get_bytes(PATH), type=PodList)
        present = {pod.metadata.uid for pod in pods.items}
        for uid in self._uids - present:
            self._gone(uid)
        self._uids = present
        for pod in pods.items:
            self._seen(pod)
        self._version = pods.metadata.resource_version
        self.synced.set()

    async def _watch(self) -> None:
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": WATCH_WALL_SECONDS,
        }
        async for line in _lines(self._api, query):
            event = msgspec.json.decode(line, type=EventType)
            if event.type == "ERROR":
                self._version = ""
                return
            if event.type == "BOOKMARK":
                self._version = msgspec.json.decode(event.object)["metadata"]["resourceVersion"]
            else:
                self._tell(event.type, msgspec.json.decode(event.object, type=Pod))

    def _tell(self, kind: str, pod: Pod) -> None:
        self._version = pod.metadata.resource_version
        if kind == "DELETED":
            self._uids.discard(pod.metadata.uid)
            self._gone(pod.metadata.uid)
        else:
            self._uids.add(pod.metadata.uid)
            self._seen(pod)


async def _lines(api: ApiClient, query: dict[str, str | int]) -> AsyncIterator[bytes]:
    """Whole lines of the stream; the reader's own `readline` refuses lines of more than 64 KiB."""
    rest = b""
    async with api.stream(PATH, query, silent_seconds=SILENT_WALL_SECONDS) as body:
        async for chunk in body.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line
