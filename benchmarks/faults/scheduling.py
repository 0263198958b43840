"""kube-scheduler with the shipped configuration, while its extender is dead, hangs, is slow or answers nonsense."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import yaml

from benchmarks.bursts import Burst, Call
from benchmarks.crowd import create_nodes
from benchmarks.faults.findings import Finding
from benchmarks.faults.setting import Family, Setting
from benchmarks.faults.stubs import BEHAVIOURS, Stub, neutral
from benchmarks.installation import Installation
from benchmarks.parties import Party, stoker_extender
from lab.stage import eventually
from manifests.loader import load
from model.errors import LabError

NODES: Final = 50
GATE: Final = "faults.example.com/start"
REAL: Final = "with-stoker"
STUBBED: Final = "with-stub"
READY_SECONDS: Final = 60.0
DISTURB_AFTER: Final = 0.5
"""The share of a burst that is bound when the real extender is killed or stopped."""


@dataclass(frozen=True, slots=True)
class Extent:
    healthy: int
    """Pods of a burst that goes as fast as it can."""

    hampered: int
    """Pods of a burst in which each waits for the extender's time-outs."""


LONG: Final = Extent(200, 40)
SHORT: Final = Extent(20, 4)


@dataclass(frozen=True, slots=True)
class Bound:
    """What came of one burst: pods bound, and seconds from the first gate opened to the last binding."""

    count: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.count / max(self.seconds, 0.001)


@dataclass(frozen=True, slots=True)
class Bursts:
    """What came of the pods under a fault, beside a burst of the same scheduler without one.

    `per_second`: of a burst whose first gate was opened after the fault had begun.
    """

    pods: int
    bound: int
    per_second: float
    healthy_per_second: float
    recovered_seconds: float


def judge_bursts(name: str, seen: Bursts) -> Finding:
    """Nothing may stay pending; what it costs is told."""
    pending = seen.pods - seen.bound
    complaints = (f"{pending} of {seen.pods} pods stayed pending",) if pending else ()
    healthy = seen.healthy_per_second
    details = {
        "pods_per_second": round(seen.per_second, 1),
        "healthy_pods_per_second": round(healthy, 1),
        "cost": round(1 - seen.per_second / healthy, 3) if healthy else None,
    }
    return Finding(name, "pods", seen.per_second, seen.pods, 0, pending, seen.recovered_seconds, complaints, details)


@dataclass(slots=True)
class SchedulingPlace:
    """Two kube-schedulers, one that asks Stoker and one that asks a stub; `healthy` is found out by the first fault."""

    setting: Setting
    installation: Installation
    extender: Party
    stub: Stub
    extent: Extent
    healthy: float | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator[SchedulingPlace]:
        setting.tell(f"starting a control plane with {NODES} nodes and two schedulers")
        async with AsyncExitStack() as stack:
            installation = await stack.enter_async_context(Installation.start(setting.programs, setting.constants))
            await create_nodes(installation.client, setting.constants, NODES)
            kubeconfig = await installation.kubeconfig("stoker")
            extender = await stack.enter_async_context(stoker_extender(kubeconfig, setting.directory))
            stub = await stack.enter_async_context(Stub().serving())
            for name, url in ((REAL, extender.url), (STUBBED, stub.url)):
                await installation.control_plane.start_scheduler(name, _configuration(name, url))
            yield cls(setting, installation, extender, stub, setting.extent(LONG, SHORT))

    async def healthy_per_second(self) -> float:
        """Pods per second with Stoker's extender, whom nobody disturbs; after a first burst that nobody counts."""
        if self.healthy is None:
            await self.burst(REAL, self.extent.healthy // 2)
            self.healthy = (await self.burst(REAL, self.extent.healthy)).per_second
        return self.healthy

    async def burst(self, scheduler: str, count: int, disturb: Callable[[], Awaitable[None]] | None = None) -> Bound:
        """`disturb` is called in its midst."""
        client = self.installation.client
        async with Burst.of(client, self.setting.constants, count, Call(GATE, scheduler)) as burst:
            began_at, waiting = monotonic(), asyncio.create_task(burst.all_bound())
            opening = asyncio.create_task(burst.open_gates(client))
            if disturb is not None:
                await burst.bound(int(count * DISTURB_AFTER))
                await disturb()
            await opening
            try:
                bindings, seconds = await waiting
            except LabError:
                return Bound(burst.count_bound, monotonic() - began_at)
            return Bound(len(bindings), seconds)

    async def recovery(self, scheduler: str) -> float:
        """Seconds until a pod is bound again as quickly as one is."""
        began_at = monotonic()
        await self.burst(scheduler, 1)
        return monotonic() - began_at


async def _disturbed(
    place: SchedulingPlace, name: str, disturb: Callable[[], Awaitable[None]], mend: Callable[[], Awaitable[None]]
) -> Finding:
    """In the midst of a burst; then comes another one, which knows the extender only like this and is the one timed."""
    healthy, pods = await place.healthy_per_second(), place.extent.hampered
    try:
        amidst = await place.burst(REAL, pods, disturb)
        after = await place.burst(REAL, pods)
    finally:
        ended_at = monotonic()
        await mend()
    await eventually(place.extender.process.check, "the extender is not ready again", READY_SECONDS)
    recovered = monotonic() - ended_at
    return judge_bursts(name, Bursts(2 * pods, amidst.count + after.count, after.per_second, healthy, recovered))


async def killed(place: SchedulingPlace) -> Finding:
    process = place.extender.process
    return await _disturbed(place, "extender-killed", process.kill, process.start)


async def stopped(place: SchedulingPlace) -> Finding:
    """SIGSTOP: the kernel accepts connections for it, and nobody answers."""
    process = place.extender.process

    async def stop() -> None:
        process.signal(signal.SIGSTOP)

    async def go_on() -> None:
        process.signal(signal.SIGCONT)

    return await _disturbed(place, "extender-stopped", stop, go_on)


def _stubbed(kind: str) -> Callable[[SchedulingPlace], Awaitable[Finding]]:
    async def stubbed(place: SchedulingPlace) -> Finding:
        """The scheduler asks an extender that is like this from the first pod to the last."""
        healthy = await place.healthy_per_second()
        pods = place.extent.healthy if kind == "garbage" else place.extent.hampered
        place.stub.behaviour = BEHAVIOURS[kind]
        try:
            found = await place.burst(STUBBED, pods)
        finally:
            place.stub.behaviour = neutral
        recovered = await place.recovery(STUBBED)
        return judge_bursts(f"extender-{kind}", Bursts(pods, found.count, found.per_second, healthy, recovered))

    return stubbed


def _configuration(name: str, url: str) -> dict[str, Any]:
    """The shipped one, for a profile of this name and an extender at this address; the time-out is the shipped one."""
    shipped = next(item for item in load("scheduler") if item["kind"] == "ConfigMap")
    configuration: dict[str, Any] = yaml.safe_load(shipped["data"]["scheduler.yaml"])
    for extender in configuration["extenders"]:
        extender["urlPrefix"] = url
    for profile in configuration["profiles"]:
        profile["schedulerName"] = name
    return {"profiles": configuration["profiles"], "extenders": configuration["extenders"]}


FAMILY: Final = Family(
    SchedulingPlace.start,
    {
        "extender-killed": killed,
        "extender-stopped": stopped,
        **{f"extender-{kind}": _stubbed(kind) for kind in BEHAVIOURS},
    },
)
