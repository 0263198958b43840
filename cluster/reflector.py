"""A reflector keeps a copy of one collection: a list, then a watch, for ever.

The list is a streaming one where the server offers it (`sendInitialEvents`), else a paged one. A watch that breaks is
resumed from the last resource version seen; where the server no longer has that version (410) the collection is listed
again, and the difference is applied, so that readers never see an empty copy. The same is done where a watch's versions
go backwards: what of it is missing, nobody can tell. Failures back off with jitter.
The protocol is that of https://kubernetes.io/docs/reference/using-api/api-concepts/ (efficient detection of changes).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Final, Generic, TypeVar

import msgspec

from cluster import metrics, wire
from cluster.client import ApiClient
from cluster.decoding import Decoding
from cluster.freshness import SILENT_SECONDS, Freshness
from cluster.troubles import Troubles
from cluster.watching import (
    LONGEST_BACKOFF_SECONDS,
    SHORT_BACKOFF_SECONDS,
    backoff,
    batches,
    is_older,
    lines,
    watch_error,
)
from model.errors import ApiError, ConnectionFailed, Expired, StokerError

log = logging.getLogger(__name__)

WATCH_SECONDS: Final = (300, 600)
"""The server ends a watch after a time drawn from this range, so that reconnects spread."""

FINAL_REFUSALS: Final = (401, 403, 404)
PAGE_SIZE: Final = 500
SLICE: Final = 20
"""Events applied before others get the event loop: half a millisecond's work where they are nodes with all their
images."""

T = TypeVar("T", bound=wire.Object)
Listener = Callable[[T | None, T | None], None]
"""Told of each change as (old, new). Both: changed; only `new`: appeared; only `old`: gone."""


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A collection of the API."""

    name: str
    path: str
    kind: type[T]
    selectors: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[T, Callable[[], bytes]], None] | None = None
    """Called with each object and what gives the JSON that it was read from, which is gone afterwards."""

    outline: Callable[[T], T] | None = None
    """What is kept of an object, and told as the old one when it changes, where its listener needs no more: its name
    and version at least. Else it is kept whole."""

    has_bookmarks: bool = True
    """False for Events: they are not served from the watch cache, so bookmarks come as rarely as etcd's progress
    notifications (every 10 minutes), and silence says nothing."""

    is_small: bool = False
    """True: after failures it is asked for again every 2 s at least (10 s else), which costs a server in trouble
    little. So late is the copy, at most, when the server is back, and admission refuses pods of namespaces that it has
    not heard of."""


class Reflector(Generic[T]):
    """Keeps `objects` (by key: namespace/name, or name) like the collection, and tells `listener` of each change."""

    def __init__(
        self,
        client: ApiClient,
        resource: Resource[T],
        listener: Listener[T],
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        troubles: Troubles | None = None,
    ) -> None:
        self.resource = resource
        self.objects: dict[str, T] = {}
        self.synced = asyncio.Event()
        self._client = client
        self._listener = listener
        self._sleep = sleep
        self._freshness = Freshness(
            resource.name, troubles or Troubles(clock=clock), clock, silence_tells=resource.has_bookmarks
        )
        self._decoding = Decoding(resource.name, resource.kind)
        self._version = ""
        self._streams_lists = True
        self._seen: set[str] | None = None
        self._changes = 0
        self._failures = 0
        self.refusal: ApiError | None = None
        """Why the server will not let us follow, where trying again is of no use: no rights, or no such resource."""
        self._told = 0
        self._changed = metrics.CHANGES.labels(resource.name)
        metrics.OBJECTS.labels(resource.name).set_function(lambda: len(self.objects))
        metrics.LAST_EVENT_AGE.labels(resource.name).set_function(lambda: self._freshness.silent_seconds)

    def complaint(self) -> str | None:
        """Why the copy cannot be relied on, or None: not synced, broken for too long, or silent for too long."""
        if not self.synced.is_set():
            return f"{self.resource.name}: not synced yet" + (f" ({self.refusal})" if self.refusal else "")
        return self._freshness.complaint()

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        longest_backoff = SHORT_BACKOFF_SECONDS if self.resource.is_small else LONGEST_BACKOFF_SECONDS
        while True:
            before = self._changes
            reason = await self._try_to_follow()
            metrics.WATCH_RESTARTS.labels(self.resource.name, reason).inc()
            if self._changes > before or self._freshness.is_resumed():
                self._failures = 0
            if reason != "ended":
                self._failures += 1
                await self._sleep(backoff(self._failures, longest_backoff))

    async def _try_to_follow(self) -> str:
        """Follow until the watch is over, and say in a word why it is."""
        self._freshness.forget()
        try:
            await self._follow()
        except Expired as error:
            log.info("%s", error)
            if self._seen is not None:
                self._freshness.broken()
            else:
                self._failures = 0  # a server that can tell how old a version is can be asked for a list at once
            self._version = ""
            return "expired"
        except StokerError as error:
            self._freshness.broken(error)
            if not isinstance(error, ApiError):
                return "broken"
            self.refusal = error if error.status in FINAL_REFUSALS else None
            return "refused"
        except Exception:
            # A mistake of ours must not end the watch in silence: start over from a list, and let it be seen.
            self._version = ""
            self._freshness.broken()
            log.exception("watch of %s failed", self.resource.name)
            return "failed"
        self._freshness.look()
        return "ended"

    async def _follow(self) -> None:
        if self._version:
            await self._watch(resourceVersion=self._version)
        elif self._streams_lists:
            try:
                await self._stream_list()
            except ApiError as error:
                if error.status not in (400, 422):
                    raise
                log.info("%s: the server does not stream lists (%s); paging instead", self.resource.name, error)
                self._streams_lists = False
        else:
            await self._page_list()

    async def _stream_list(self) -> None:
        self._begin_list()
        await self._watch(sendInitialEvents="true", resourceVersionMatch="NotOlderThan")

    async def _page_list(self) -> None:
        self._begin_list()
        token, version = "", ""
        while True:
            query: dict[str, str | int] = {"limit": PAGE_SIZE, **self.resource.selectors}
            if token:
                query["continue"] = token
            page = msgspec.json.decode(await self._client.get_bytes(self.resource.path, **query), type=wire.ObjectList)
            for raw in page.items:
                self._read("ADDED", raw)
            version, token = page.metadata.resource_version, page.metadata.continue_token
            await asyncio.sleep(0)
            if not token:
                break
        self._end_list(version)

    def _begin_list(self) -> None:
        metrics.RELISTS.labels(self.resource.name).inc()
        self._seen = set()

    def _end_list(self, version: str) -> None:
        """Remove what the list did not name: it was deleted while nobody watched."""
        seen, self._seen = self._seen or set(), None
        for key in [key for key in self.objects if key not in seen]:
            self._remove(key)
        self._progress(version)
        self._freshness.whole()
        self._report_told()
        self.synced.set()

    async def _watch(self, **options: str) -> None:
        query: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": random.randint(*WATCH_SECONDS),  # noqa: S311 - spreads reconnects, guards nothing
            **self.resource.selectors,
            **options,
        }
        count = 0
        longest_silence = SILENT_SECONDS if self.resource.has_bookmarks else WATCH_SECONDS[1] + SILENT_SECONDS
        async with self._client.stream(self.resource.path, query, longest_silence) as content:
            with self._freshness.open(resumed=self._seen is None):
                async for batch in batches(content.iter_any()):
                    count += await self._apply(batch)
        if (count == 0 and self.resource.has_bookmarks) or self._seen is not None:
            raise ConnectionFailed(f"{self.resource.name}: the watch ended before it brought what it was asked for")

    async def _apply(self, batch: bytes) -> int:
        """Apply these lines, and say how many there were."""
        texts = lines(batch)
        events = self._decoding.changes(batch, texts)
        for number, event in enumerate(events):
            if event is not None:
                self._change(event.type, event.object, partial(self._decoding.document, texts[number]))
            else:
                self._handle(self._decoding.event(texts[number]))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self._report_told()
        return len(events)

    def _handle(self, event: wire.WatchEvent) -> None:
        match event.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                self._read(event.type, event.object)
            case "BOOKMARK":
                mark = msgspec.json.decode(event.object, type=wire.Object).metadata
                ends_list = mark.annotations.get("k8s.io/initial-events-end") == "true"
                if ends_list and self._seen is not None:  # told twice, the second names nothing that is to be kept
                    self._end_list(mark.resource_version)
                else:
                    self._progress(mark.resource_version)
            case "ERROR":
                raise watch_error(self.resource.name, event.object)
            case other:
                log.warning("watch of %s: unknown event type %r passed over", self.resource.name, other)

    def _read(self, kind: str, raw: msgspec.Raw) -> None:
        item = self._decoding.object(raw)
        if item is not None:
            self._change(kind, item, partial(bytes, raw))

    def _change(self, kind: str, item: T, document: Callable[[], bytes]) -> None:
        if kind == "DELETED":
            self._progress(item.metadata.resource_version)
            self._remove(item.metadata.key)
        else:
            self._put(item, document)

    def _put(self, item: T, document: Callable[[], bytes]) -> None:
        key = item.metadata.key
        if self._seen is not None:
            self._seen.add(key)
        old = self.objects.get(key)
        if old is not None and old.metadata.resource_version == item.metadata.resource_version:
            self._heard()
            return
        self._progress(item.metadata.resource_version)
        if self.resource.keep is not None:
            self.resource.keep(item, document)
        self.objects[key] = self.resource.outline(item) if self.resource.outline is not None else item
        self._tell(old, item)

    def _remove(self, key: str) -> None:
        old = self.objects.pop(key, None)
        if old is not None:
            self._tell(old, None)

    def _tell(self, old: T | None, new: T | None) -> None:
        self._told += 1
        try:
            self._listener(old, new)
        except Exception:
            # One object that a listener stumbles over must not keep it from all the others.
            metrics.BAD_OBJECTS.labels(self.resource.name).inc()
            subject = new or old
            log.exception("%s %s: passed over", self.resource.name, subject.metadata.key if subject else "")

    def _report_told(self) -> None:
        """Counted by the batch: a counter of its own for each object would be a twentieth of the work."""
        self._changed.inc(self._told)
        self._told = 0

    def _progress(self, version: str) -> None:
        """Something was heard. Until a list is whole, there is nothing that could be continued from its versions.

        Expired where it is older than what was heard before it: the events of a watch are ordered, so others are
        missing or mixed up, and only a list can tell what they were.
        """
        self._heard()
        if self._seen is not None:
            return
        if is_older(version, self._version):
            raise Expired(
                f"watch of {self.resource.name}: version {version} came after {self._version}; listing again",
                status=410,
                reason="OutOfOrder",
            )
        self._version = version or self._version

    def _heard(self) -> None:
        """A list that is not whole yet says nothing about how fresh the copy is."""
        if self._seen is None:
            self._freshness.heard()
            self._changes += 1
