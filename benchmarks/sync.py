"""The bench `sync`: the first reading of a cluster, beside reading the same bytes and throwing them away.

Both are processes of their own with the same HTTP client, and the server is a scripted one that writes as fast as it is
read. Each pod has labels of its own, and the nodes have few images in common, so that little of what is kept can be
shared. Against a real API server, which encodes every object, both would take longer and be closer.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

from benchmarks import floors
from benchmarks.crowd import NODES, is_warm, other_image
from benchmarks.documents import NAMESPACES, PODS_PER_SET, running_pod, stored
from benchmarks.load import in_turn
from benchmarks.parties import stoker_extender
from benchmarks.questions import tenants_images
from benchmarks.report import Bench, Comparison, middle
from benchmarks.setting import Setting
from benchmarks.world import World
from cluster import snapshot
from cluster.snapshot import PODS
from model.errors import LabError

PODS_PER_NODE: Final = 4
READ: Final = (NODES, PODS.path, snapshot.NAMESPACES.path)
"""What both sides read. Stoker reads what else it follows too, some KB."""

SETTLE_SECONDS: Final = 2.0
"""In which what was needed for reading only is given back."""


@dataclass(frozen=True, slots=True)
class Reading:
    seconds: float
    resident_mebibytes: float = 0.0


async def sync(setting: Setting) -> Bench:
    async with World.start(setting.constants, setting.nodes) as world:
        put_pods(setting, world)
        sizes = {path: world.server.size_bytes(path) for path in READ}
        setting.tell(f"reading {sum(sizes.values()) / 1e6:.0f} MB in turn")

        async def ours() -> Reading:
            return await _sync(setting, world)

        async def theirs() -> Reading:
            return await _discard(world, sizes)

        found = await in_turn({"ours": ours, "theirs": theirs}, setting.rounds)
    seconds = {name: middle([item.seconds for item in items]) for name, items in found.items()}
    resident = middle([item.resident_mebibytes for item in found["ours"]])
    memory = Comparison(resident, floors.SYNC_RESIDENT_MEBIBYTES, 1.0, less_is_better=True)
    return Bench(
        "sync",
        Comparison(seconds["ours"], seconds["theirs"], floors.SYNC_TIME, less_is_better=True),
        {"resident_mebibytes": memory},
        details={
            "unit": "seconds; MiB against the limit",
            "megabytes": round(sum(sizes.values()) / 1e6, 1),
            "rounds": {name: [round(item.seconds, 3) for item in items] for name, items in found.items()},
        },
    )


async def _sync(setting: Setting, world: World) -> Reading:
    """From the first request for one of the lists to readiness, which is looked for every 50 ms."""
    begun: list[float] = []

    async def note(path: str) -> None:
        await world.server.asked_for(path)
        begun.append(perf_counter())

    notes = [asyncio.create_task(note(path)) for path in READ]
    async with stoker_extender(world.kubeconfig(setting.directory), setting.directory) as party:
        seconds = perf_counter() - min(begun)
        await asyncio.gather(*notes)
        await asyncio.sleep(SETTLE_SECONDS)
        return Reading(seconds, party.resident_mebibytes())


async def _discard(world: World, sizes: dict[str, int]) -> Reading:
    command: list[Any] = [sys.executable, "-m", "benchmarks.discard", world.server.url]
    child = await asyncio.create_subprocess_exec(
        *command, *(f"{path}={size}" for path, size in sizes.items()), stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await child.communicate()
    if child.returncode != 0:
        raise LabError(f"the reader that throws all away ended with status {child.returncode}")
    for path in sizes:
        await world.server.asked_for(path)
    return Reading(float(printed))


def put_pods(setting: Setting, world: World) -> None:
    """Pods that run on the nodes, and the namespaces they are in, for whoever lists them; a tenth are the tenant's."""
    tenants, count = tenants_images(setting.constants), PODS_PER_NODE * setting.nodes
    images = (tenants if is_warm(number) else set_images(number // PODS_PER_SET) for number in range(count))
    placed = zip(images, itertools.cycle(world.names), strict=False)
    pods = (running_pod(number, of_pod, node) for number, (of_pod, node) in enumerate(placed))
    world.server.put(PODS.path, (stored(pod, world.server.next_version()) for pod in pods))
    world.put_namespaces(NAMESPACES)


def set_images(number: int) -> tuple[str, str]:
    """What the pods of a StatefulSet run: two of the images that the nodes have at random."""
    return other_image(2 * number), other_image(2 * number + 1)
