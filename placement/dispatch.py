"""The writes under way: so many at once, each tried again where it fails, and what their pods take up meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container, Coroutine, KeysView, Mapping
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final

from cluster import wire
from cluster.waiting import has_our_gate
from model.errors import Conflict, NotFound, StokerError
from placement import metrics

log = logging.getLogger(__name__)

RETRY_WALL_SECONDS: Final = 1.0
WRITES_AT_ONCE: Final = 32
RELEASES_AT_ONCE: Final = 8
"""What lets a pod go, or takes a nomination back, has slots of its own: autoscalers wait for it, or its deadline has
come, and it does not queue behind a burst's nominations."""

NOTES_AT_ONCE: Final = 4
"""Writes that only tell something have slots of their own too, so that no gate waits behind them."""

FINISH_WALL_SECONDS: Final = 5.0
"""What is left, at the end, for writes that have begun. Whatever they leave half done, the next leader finishes."""


@dataclass(frozen=True, slots=True)
class Write:
    """A pod's write: `kind` is for logs and metrics, `node` where the pod is nominated, `done` called where it worked.

    `work` returns the pod's resourceVersion after it. Nominations queue: they are written in the order of their `rank`,
    the least first, and of equals the one that was sent first; until it begins, one can be taken back. What has no rank
    does not queue with them. `needs_lead`: whether only a leader may write it.
    """

    pod: wire.Pod
    work: Callable[[], Awaitable[str]]
    kind: str
    done: Callable[[], None]
    node: str = ""
    rank: tuple[float, ...] | None = None
    needs_lead: bool = True


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A pod that was decided on at a resourceVersion; `node` is where it is nominated.

    `is_over`: nothing more is written for it, and the first change that the watch brings is news. Until then the room
    on the node stays taken, since nobody knows what of the writes took effect.
    """

    version: str
    node: str = ""
    is_over: bool = False


class Dispatch:
    """A pod is under way from the decision until the watch shows it changed. `wake` is called when a new one is due.

    What needs a leader is dropped where `may_write` is False when its slot comes: another leads, and knows more.
    """

    def __init__(self, wake: Callable[[], None], may_write: Callable[[], bool]) -> None:
        self._wake = wake
        self._may_write = may_write
        self._is_closing = False
        self._slots = asyncio.Semaphore(WRITES_AT_ONCE)
        self._release_slots = asyncio.Semaphore(RELEASES_AT_ONCE)
        self._note_slots = asyncio.Semaphore(NOTES_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: dict[str, _UnderWay] = {}
        self._sent = count()
        self._queue: list[tuple[tuple[float, ...], int, Write, _UnderWay]] = []
        self._nominating = 0

    @property
    def pods(self) -> KeysView[str]:
        """Their uids."""
        return self._under_way.keys()

    @property
    def is_writing(self) -> bool:
        return bool(self._tasks)

    @property
    def is_nominating(self) -> bool:
        """Whether a nomination is still to be written, or being written: no scheduler knows of it yet."""
        return bool(self._queue) or self._nominating > 0

    @property
    def queued(self) -> list[wire.Pod]:
        """Those whose nomination has not begun, as they were when it was decided on."""
        return [write.pod for _, _, write, _ in self._queue]

    @property
    def nominated(self) -> dict[str, str]:
        """By uid, the node of each pod that is being nominated, whether that is seen yet or not."""
        return {uid: item.node for uid, item in self._under_way.items() if item.node}

    def settle(self, waiting: Mapping[str, wire.Pod]) -> None:
        """Forget the pods that wait no more, and those that the watch shows changed."""
        for uid, item in list(self._under_way.items()):
            pod = waiting.get(uid)
            if pod is None or not _is_under_way(item, pod):
                del self._under_way[uid]

    def holds(self, pod: wire.Pod) -> bool:
        return pod.metadata.uid in self._under_way

    def send(self, write: Write) -> None:
        """Write in the background."""
        item = _UnderWay(write.pod.metadata.resource_version, write.node)
        self._under_way[write.pod.metadata.uid] = item
        if write.rank is None:
            self._begin(self._release(write, item))
        else:
            heappush(self._queue, (write.rank, next(self._sent), write, item))
            self._begin(self._nominate_next())

    def take_back(self, uids: Container[str]) -> None:
        """The nominations of these pods that have not begun: the pods are under way no more."""
        taken = [(write, item) for _, _, write, item in self._queue if write.pod.metadata.uid in uids]
        self._queue = [entry for entry in self._queue if entry[2].pod.metadata.uid not in uids]
        heapify(self._queue)
        for write, item in taken:
            if self._under_way.get(write.pod.metadata.uid) is item:
                del self._under_way[write.pod.metadata.uid]

    def note(self, write: Write, failed: Callable[[], None]) -> None:
        """Write in the background what decides nothing: the pod is not under way meanwhile; `failed` is called else."""
        self._begin(self._carry_out_note(write, failed))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def caught_up(self) -> None:
        """Until every nomination that was sent has begun: what is decided before that would only wait, and grow old."""
        async with self._slots:
            return

    async def finish(self) -> None:
        """Wait for what has begun, but not for ever; what has not is left to the next leader."""
        self._is_closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FINISH_WALL_SECONDS)

    async def _release(self, write: Write, item: _UnderWay) -> None:
        async with self._release_slots:
            await self._carry_out(write, item)

    async def _nominate_next(self) -> None:
        """As many of these run as nominations were queued, and each takes the one that is the most urgent by then."""
        async with self._slots:
            if not self._queue:  # some were taken back
                return
            *_, write, item = heappop(self._queue)
            self._nominating += 1
            try:
                await self._carry_out(write, item)
            finally:
                self._nominating -= 1
                if not self.is_nominating:
                    self._wake()  # some may wait for just that

    def _may_begin(self, write: Write) -> bool:
        return not self._is_closing and (self._may_write() or not write.needs_lead)

    async def _carry_out(self, write: Write, item: _UnderWay) -> None:
        uid, key = write.pod.metadata.uid, write.pod.metadata.key
        try:
            if not self._may_begin(write):
                self._drop(uid, item)
                return
            version = await write.work()
        except (Conflict, NotFound) as error:
            # Edited, bound or deleted meanwhile: it is decided on anew as soon as the watch brings what it is now.
            metrics.WRITE_ERRORS.labels("conflict").inc()
            log.info("%s of pod %s was overtaken: %s", write.kind, key, error)
            if self._under_way.get(uid) is item:
                self._under_way[uid] = item = _UnderWay(item.version, item.node, is_over=True)
            self._wake()
            self._retry(uid, item)
        except StokerError as error:
            metrics.WRITE_ERRORS.labels(write.kind).inc()
            log.warning("%s of pod %s failed and is tried again: %s", write.kind, key, error)
            self._retry(uid, item)
        except Exception:
            # No pod may stay under way for ever because of a mistake of ours.
            metrics.WRITE_ERRORS.labels(write.kind).inc()
            log.exception("%s of pod %s failed and is tried again", write.kind, key)
            self._retry(uid, item)
        else:
            if version == item.version:
                self._drop(uid, item)  # it changed nothing, so the watch has nothing to bring
            write.done()

    async def _carry_out_note(self, write: Write, failed: Callable[[], None]) -> None:
        try:
            async with self._note_slots:
                if not self._may_begin(write):
                    failed()
                    return
                await write.work()
        except StokerError as error:
            metrics.WRITE_ERRORS.labels(write.kind).inc()
            log.info("%s of pod %s failed: %s", write.kind, write.pod.metadata.key, error)
            failed()
        except Exception:
            metrics.WRITE_ERRORS.labels(write.kind).inc()
            log.exception("%s of pod %s failed", write.kind, write.pod.metadata.key)
            failed()
        else:
            write.done()

    def _retry(self, uid: str, item: _UnderWay) -> None:
        asyncio.get_running_loop().call_later(RETRY_WALL_SECONDS, self._drop, uid, item)

    def _drop(self, uid: str, item: _UnderWay) -> None:
        """Unless the pod has been decided on again since."""
        if self._under_way.get(uid) is item:
            del self._under_way[uid]
            self._wake()


def _is_under_way(item: _UnderWay, pod: wire.Pod) -> bool:
    """Not seen changed since; between the two writes of a nomination it is seen changed once."""
    between_writes = bool(item.node) and not item.is_over and has_our_gate(pod)
    return item.version == pod.metadata.resource_version or between_writes
