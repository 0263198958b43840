"""Creates under trouble: the CA rolls over, replicas are replaced or killed, API server and etcd go and come back."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from time import monotonic
from typing import Final

from benchmarks.faults.creates import Stream
from benchmarks.faults.findings import Finding
from benchmarks.faults.place import AdmissionPlace, reached, trouble
from benchmarks.faults.replicas import Replicas
from benchmarks.faults.setting import Family
from benchmarks.faults.verdicts import Trouble, judge_kills, judge_refusing_none

REPLICAS: Final = 2
ROLES: Final = "webhook"
"""A new replica with the controllers' role would begin by reading the ten thousand pods, on the same two processors."""

APISERVER_GRACE_SECONDS: Final = 3.0
"""Then it is killed: it would wait for the end of every watch, for a minute, and answer nobody meanwhile."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How many creates, how many a second, and how long things are away."""

    creates: int
    per_second: float
    etcd_seconds: float
    kill_every_seconds: float
    alone: bool
    """Whether a rollover and a rolling update take place by themselves as well, before they meet."""


LONG: Final = Extent(10_000, 100.0, 10.0, 10.0, alone=True)
SHORT: Final = Extent(400, 40.0, 2.0, 4.0, alone=False)


async def creates(place: AdmissionPlace) -> Finding:
    """Two rollovers, two rolling updates, a restart of the API server and etcd's standing still under a steady load."""
    extent = place.setting.extent(LONG, SHORT)
    async with place.asking(REPLICAS, roles=ROLES) as (replicas, namespace):
        async with place.streaming(namespace, extent.per_second, extent.creates) as stream:
            troubles = await _make_trouble(place, replicas, stream, extent)
        return judge_refusing_none("creates", await place.outcome(namespace, stream, troubles), replicas.complaints)


async def _make_trouble(place: AdmissionPlace, replicas: Replicas, stream: Stream, extent: Extent) -> list[Trouble]:
    """One after the other, spread over the load; the second rollover meets the second rolling update."""
    kept, tell, plane = list[Trouble](), place.setting.tell, place.installation.control_plane
    if extent.alone:
        await reached(stream, 0.05)
        async with trouble("rollover", kept, tell):
            await place.roll_over()
        await reached(stream, 0.2)
        async with trouble("rolling update", kept, tell):
            await replicas.replace_all()
    await reached(stream, 0.4)
    async with trouble("API server restarted", kept, tell):
        await plane.apiserver.stop(APISERVER_GRACE_SECONDS)
        await plane.apiserver.start()
    await reached(stream, 0.6)
    async with trouble("etcd stopped", kept, tell):
        plane.etcd.signal(signal.SIGSTOP)
        await asyncio.sleep(extent.etcd_seconds)
        plane.etcd.signal(signal.SIGCONT)
    await reached(stream, 0.8)
    async with trouble("rollover and rolling update", kept, tell):
        await asyncio.gather(place.roll_over(), replicas.replace_all())
    return kept


async def replica_killed(place: AdmissionPlace) -> Finding:
    """The same load while one replica after the other is killed, and started again at once."""
    extent = place.setting.extent(LONG, SHORT)
    async with place.asking(REPLICAS, roles=ROLES) as (replicas, namespace):
        async with place.streaming(namespace, extent.per_second, extent.creates) as stream:
            kills = await _kill_in_turn(place, replicas, stream, extent)
        return judge_kills("replica-killed", await place.outcome(namespace, stream, kills))


async def _kill_in_turn(place: AdmissionPlace, replicas: Replicas, stream: Stream, extent: Extent) -> list[Trouble]:
    """Until nine tenths of the load have been sent; the restart takes place within the interval."""
    kills, began_at = list[Trouble](), monotonic()
    while stream.share < 0.9:
        await asyncio.sleep(began_at + (len(kills) + 1) * extent.kill_every_seconds - monotonic())
        replica = replicas.running[len(kills) % len(replicas.running)]
        killed_at = monotonic()
        kills.append(Trouble("kill", killed_at, killed_at))
        await replicas.kill(replica)
        await replica.process.start()
        place.setting.tell(f"killed {replica.process.name}; ready again after {monotonic() - killed_at:.1f} s")
    return kills


FAMILY: Final = Family(AdmissionPlace.start, {"creates": creates, "replica-killed": replica_killed})
