"""Trouble between Stoker and the API server's watches: the copy of the cluster behind a proxy that spoils them."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

import aiohttp

from benchmarks.crowd import create_nodes
from benchmarks.faults.churn import MARKED, Churn
from benchmarks.faults.copying import Following, Sample, differences, judge_copy
from benchmarks.faults.findings import Finding
from benchmarks.faults.meddler import Meddler, cutting, doubling, swapping, untouched
from benchmarks.faults.setting import Family, Setting
from benchmarks.installation import Installation
from cluster.access import load_access
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.freshness import BROKEN_SECONDS
from cluster.snapshot import Snapshot
from lab.stage import eventually
from model.errors import LabError

NODES: Final = 200
SAMPLE_SECONDS: Final = 0.1
RECOVERY_SECONDS: Final = 120.0
LONGEST_CUT_BYTES: Final = 30_000
"""Some events of nodes with fifty images."""


@dataclass(frozen=True, slots=True)
class Extent:
    seconds: float
    pace: float
    """By how much the copy's own time is faster than the wall's."""


LONG: Final = Extent(60.0, 1.0)
SHORT: Final = Extent(3.0, 20.0)


@dataclass(slots=True)
class WatchPlace:
    """`snapshot` sees the cluster through `meddler`; `churn` changes it, past the meddler."""

    setting: Setting
    installation: Installation
    meddler: Meddler
    snapshot: Snapshot
    extent: Extent
    churn: Churn
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    @asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator[WatchPlace]:
        setting.tell(f"starting a control plane with {NODES} nodes")
        extent = setting.extent(LONG, SHORT)
        async with AsyncExitStack() as stack:
            installation = await stack.enter_async_context(Installation.start(setting.programs, setting.constants))
            await create_nodes(installation.client, setting.constants, NODES)
            access = await load_access(installation.control_plane.admin_kubeconfig)
            meddler = Meddler(access)
            spoiled = await stack.enter_async_context(meddler.serving())
            client = await stack.enter_async_context(ApiClient(spoiled))
            snapshot = Snapshot(client, Clock(), with_fleet=True, pace=extent.pace)
            await stack.enter_async_context(snapshot.following())
            await snapshot.synced()
            churn = Churn(installation.client, setting.constants)
            await churn.prepare()
            yield cls(setting, installation, meddler, snapshot, extent, churn)

    async def observe(self, name: str, fault: Callable[[], Awaitable[None]], *, must_complain: bool = False) -> Finding:
        """Let the fault happen while the cluster changes, and compare the copy with a fresh one afterwards."""
        samples, before, began_at = list[Sample](), self.churn.changes, monotonic()
        async with self.churn.going_on():
            watching = asyncio.create_task(self._sample(samples))
            try:
                await fault()
            finally:
                self.meddler.refusal, self.meddler.expired, self.meddler.passing = None, False, untouched
                self.meddler.break_all()  # those that are spoiled would be for minutes
                ended_at = monotonic()
        differing = await self._differing()
        recovered = monotonic() - ended_at
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        changes, details = self.churn.changes - before, {"requests_of_the_copy": self.meddler.requests}
        return judge_copy(
            name,
            Following(changes, ended_at - began_at, samples, differing, recovered, must_complain, details),
        )

    async def _sample(self, samples: list[Sample]) -> None:
        """In the copy's own time."""
        while True:
            lacking = self.churn.lacking_seconds(self._marked_labels())
            samples.append(Sample(monotonic(), lacking * self.extent.pace, self.snapshot.complaint()))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _differing(self) -> list[str]:
        """What is not as in a fresh list, when that does not get less any more."""
        async with ApiClient(self.meddler.access) as client:
            fresh = Snapshot(client, Clock(), with_fleet=True)
            async with fresh.following():
                await fresh.synced()
                wanted, left = _contents(fresh), list[str]()

                async def equal() -> bool:
                    left[:] = differences(_contents(self.snapshot), wanted)
                    return not left and self.snapshot.complaint() is None

                try:
                    await eventually(equal, "the copy differs from a fresh list", RECOVERY_SECONDS)
                except LabError as error:
                    return left or [str(error)]
                return []

    def _marked_labels(self) -> Mapping[str, str]:
        """Of the node that is marked, as the copy has them."""
        offers = self.snapshot.fleet.offers()
        return next((traits.labels for facts, traits, _ in offers if facts.name == MARKED), {})


def _contents(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Every collection, and what was made of nodes and bound pods, of which the collections are outlines."""
    found: dict[str, dict[str, Any]] = {item.resource.name: dict(item.objects) for item in snapshot.reflectors}
    offers = {offer[0].name: offer for offer in snapshot.fleet.offers()}
    bound = {pod.key: pod for name in offers for pod in snapshot.fleet.pods_on(name)}
    return {**found, "facts and room of nodes": offers, "bound pods": bound}


async def cut(place: WatchPlace) -> Finding:
    """Every watch ends after a number of bytes, another one each time, from the first byte on."""
    draw, numbers = random.Random(place.setting.constants.seed), itertools.count(1)  # noqa: S311 - a sweep, no secret

    def offset() -> int:
        number = next(numbers)
        return number if number % 2 else draw.randrange(1, LONGEST_CUT_BYTES)

    async def fault() -> None:
        place.meddler.passing = cutting(offset)
        place.meddler.break_all()
        await asyncio.sleep(place.extent.seconds)

    return await place.observe("watch-cut", fault)


async def expired(place: WatchPlace) -> Finding:
    """Each continued watch is told 410; in between, objects are deleted that the list will not name any more."""

    async def fault() -> None:
        place.meddler.expired = True
        ends_at = monotonic() + place.extent.seconds / 3
        while monotonic() < ends_at:
            place.meddler.break_all()
            await asyncio.sleep(place.extent.seconds / 15)

    return await place.observe("watch-expired", fault)


async def deleted_unseen(place: WatchPlace) -> Finding:
    """The watches are away while half of the pods are deleted; the versions to continue from are gone as well."""

    async def fault() -> None:
        place.meddler.refusal = 503
        place.meddler.break_all()
        await place.churn.delete_half()
        await asyncio.sleep(place.extent.seconds / 4)
        place.meddler.expired, place.meddler.refusal = True, None
        await asyncio.sleep(place.extent.seconds / 4)

    return await place.observe("deleted-unseen", fault)


async def compaction(place: WatchPlace) -> Finding:
    """etcd forgets the past and the API server is restarted, while the watches are away: the real 410."""
    plane = place.installation.control_plane

    async def fault() -> None:
        place.meddler.refusal = 503
        place.meddler.break_all()
        await place.churn.delete_half()
        await _compact(plane.etcd_url)
        await plane.apiserver.kill()
        await plane.apiserver.start()

    return await place.observe("compaction", fault)


def _refused(status: int) -> Callable[[WatchPlace], Awaitable[Finding]]:
    async def refused(place: WatchPlace) -> Finding:
        """No request is answered but with this status, and open watches break."""

        async def fault() -> None:
            place.meddler.refusal = status
            place.meddler.break_all()
            await asyncio.sleep(place.extent.seconds)

        must_complain = place.extent.seconds * place.extent.pace > BROKEN_SECONDS
        return await place.observe(f"api-{status}", fault, must_complain=must_complain)

    return refused


async def doubled(place: WatchPlace) -> Finding:
    async def fault() -> None:
        place.meddler.passing = doubling
        place.meddler.break_all()
        await asyncio.sleep(place.extent.seconds / 3)

    return await place.observe("events-doubled", fault)


async def reordered(place: WatchPlace) -> Finding:
    async def fault() -> None:
        place.meddler.passing = swapping
        place.meddler.break_all()
        await asyncio.sleep(place.extent.seconds / 3)

    return await place.observe("events-reordered", fault)


async def _compact(etcd_url: str) -> None:
    """Through etcd's JSON gateway: everything before the latest revision."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{etcd_url}/v3/kv/range", json={"key": "AA==", "limit": 1}) as answer:
            revision = (await answer.json())["header"]["revision"]
        async with session.post(f"{etcd_url}/v3/kv/compaction", json={"revision": revision}) as answer:
            answer.raise_for_status()


FAMILY: Final = Family(
    WatchPlace.start,
    {
        "watch-cut": cut,
        "watch-expired": expired,
        "deleted-unseen": deleted_unseen,
        "events-doubled": doubled,
        "events-reordered": reordered,
        "api-429": _refused(429),
        "api-500": _refused(500),
        "compaction": compaction,
    },
)
