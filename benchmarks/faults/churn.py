"""A cluster in which something changes all the time, and how long somebody who follows it has lacked a change."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from benchmarks.crowd import NODES, node_name
from cluster.client import ApiClient
from lab.constants import Constants
from lab.scene import sample_profile
from lab.simulation.objects import RUNTIME_CLASSES
from lab.workload import TENANT_NAMESPACE, tenant_pod
from model import names
from model.errors import NotFound, StokerError

PODS: Final = f"/api/v1/namespaces/{TENANT_NAMESPACE}/pods"
STANDING: Final = 40
"""Pods that are there at any time; as many nodes change in turn."""

PAUSE_SECONDS: Final = 0.05
MARK: Final = "faults.example.com/mark"
MARKED: Final = node_name(0)


@dataclass(slots=True)
class Churn:
    """Makes and deletes pods, changes all else: some fifteen changes a second while the API server answers."""

    client: ApiClient
    constants: Constants
    changes: int = 0
    _marks: list[float] = field(default_factory=list)
    """When each mark on the first node was acknowledged."""

    _numbers: Iterator[int] = field(default_factory=itertools.count)
    """Of pods."""

    _touches: Iterator[int] = field(default_factory=itertools.count)
    _standing: list[str] = field(default_factory=list)

    async def prepare(self) -> None:
        for _ in range(STANDING):
            await self._add()

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        working = asyncio.create_task(self._go_on())
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def lacking_seconds(self, labels: Mapping[str, str]) -> float:
        """How long ago the oldest mark was made that these labels of the marked node do not show."""
        shown = int(labels.get(MARK, -1))
        return monotonic() - self._marks[shown + 1] if shown + 1 < len(self._marks) else 0.0

    async def delete_half(self) -> None:
        for name in self._standing[::2]:
            await self._remove(name)

    async def _go_on(self) -> None:
        for step in itertools.cycle((self._mark, self._add, self._touch, self._remove_oldest)):
            try:
                await step()
            except StokerError:
                await asyncio.sleep(1.0)  # the API server is being restarted
            await asyncio.sleep(PAUSE_SECONDS)

    async def _mark(self) -> None:
        """Only acknowledged marks count, and each has the number of its place."""
        labels = {MARK: str(len(self._marks))}
        await self.client.patch_for_version(f"{NODES}/{MARKED}", {"metadata": {"labels": labels}})
        self._marks.append(monotonic())
        self.changes += 1

    async def _touch(self) -> None:
        """A node, or one of the collections in which nothing else happens. Each of those has its turn in a second or
        two: by a clock that runs 20 times as fast, the server's bookmarks come too late to break the silence.
        """
        number = next(self._touches)
        others = self._others()
        turn = number % (2 * len(others))
        path = others[turn] if turn < len(others) else f"{NODES}/{node_name(1 + number % STANDING)}"
        await self.client.patch_for_version(path, {"metadata": {"annotations": {MARK: str(number)}}})
        self.changes += 1

    def _others(self) -> list[str]:
        profile = sample_profile(self.constants)["metadata"]["name"]
        return [
            f"/api/v1/namespaces/{TENANT_NAMESPACE}",
            f"/apis/{names.API_VERSION}/tenantprofiles/{profile}",
            f"{RUNTIME_CLASSES}/{self.constants.kata.runtime_class}",
        ]

    async def _add(self) -> None:
        number = next(self._numbers)
        pod = tenant_pod(f"churn-{number}", self.constants)
        pod["spec"]["nodeName"] = node_name(number % STANDING)
        await self.client.create(PODS, pod)
        self._standing.append(pod["metadata"]["name"])
        self.changes += 1

    async def _remove_oldest(self) -> None:
        if len(self._standing) > STANDING // 2:
            await self._remove(self._standing[0])

    async def _remove(self, name: str) -> None:
        try:
            await self.client.delete(f"{PODS}/{name}", {"gracePeriodSeconds": 0})
        except NotFound:
            return
        finally:
            if name in self._standing:
                self._standing.remove(name)
        self.changes += 1
