"""Few and patient writes: the last status wins, and refusals for the moment are retried."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

from cluster.client import STRATEGIC_PATCH, ApiClient
from lab.simulation.pods import Pod
from model.errors import ApiError, Conflict, ConnectionFailed, NotFound

logger = logging.getLogger(__name__)

PAUSE_WALL_SECONDS: Final = 0.25

STATUSES_AT_ONCE: Final = 4
"""Of a whole fleet. Its control plane has a machine of its own, and kubelets do not crowd out whoever places pods; here
they share two processors, in compressed time besides. What waits is overtaken by what is newer.
"""


class Tasks:
    """Background tasks that are cancelled and awaited together. What one of them dies of is logged."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if self._closed:
            task.cancel()
        return task

    async def close(self) -> None:
        self._closed = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("the simulation's task %s died", task.get_name(), exc_info=error)


async def persist(write: Callable[[], Awaitable[Any]]) -> Any:
    """Write until the API server answers for good: an unreachable or overloaded one is asked again, for ever."""
    while True:
        try:
            return await write()
        except ApiError as error:
            if error.status < 500 and error.status != 429:
                raise
            logger.warning("a write of the simulation is tried again: %s", error)
        except ConnectionFailed as error:
            logger.warning("a write of the simulation is tried again: %s", error)
        await asyncio.sleep(PAUSE_WALL_SECONDS)


class StatusWriter:
    """Writes the status of one pod; while one write is under way, only the last of the newer ones is kept."""

    def __init__(self, api: ApiClient, tasks: Tasks, slots: asyncio.Semaphore, pod: Pod) -> None:
        self._api = api
        self._tasks = tasks
        self._slots = slots
        self._pod = pod
        self._status: dict[str, Any] | None = None
        self._annotations: dict[str, str] = {}
        self._writing: asyncio.Task[None] | None = None

    def write(self, status: dict[str, Any], annotations: dict[str, str] | None = None) -> None:
        self._annotations |= annotations or {}
        self._status = status
        if self._writing is None or self._writing.done():
            self._writing = self._tasks.spawn(self._write(), f"status of {self._pod.metadata.name}")

    async def _write(self) -> None:
        while self._status is not None:
            try:
                async with self._slots:
                    await self._write_last()
            except (NotFound, Conflict):
                return  # the pod is gone, or another has its name
            except ApiError as error:
                logger.error("a simulated status was refused: %s", error)  # noqa: TRY400 - the message says it all

    async def _write_last(self) -> None:
        metadata = {"uid": self._pod.metadata.uid, "annotations": self._annotations}
        patch = {"metadata": metadata, "status": self._status}
        self._status, self._annotations = None, {}
        await persist(partial(self._api.patch, f"{self._pod.path}/status", patch, STRATEGIC_PATCH))
