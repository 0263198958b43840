"""The bench `sync`: the first reading of a cluster, beside reading the same bytes and throwing them away.

Both are processes of their own with the same HTTP client. They read from a real API server, each from its start to its
end, as somebody sees it who starts Stoker anew; and from a scripted one that writes prepared bytes as fast as they are
read, from the first request on: a harder measure, since a real one encodes every object. Each pod has labels of its
own, and the nodes have few images in common, so that little of what is kept can be shared.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from benchmarks import floors
from benchmarks.crowd import NODES, create_nodes, is_warm, node_name, other_image
from benchmarks.documents import NAMESPACES, PODS_PER_SET, namespace, running_pod, stored
from benchmarks.installation import POLICIES, Installation
from benchmarks.load import in_turn
from benchmarks.parties import stoker_extender
from benchmarks.questions import tenants_images
from benchmarks.report import Bench, Comparison, middle
from benchmarks.setting import Setting
from benchmarks.world import World
from cluster import snapshot
from cluster.snapshot import PODS
from lab.constants import Constants
from lab.toolchain import find_or_build
from model.errors import LabError

SIDES: Final = ("ours", "theirs")
PODS_PER_NODE: Final = 4
READ: Final = (NODES, PODS.path, snapshot.NAMESPACES.path)
"""What both sides read. Stoker reads what else it follows too, some KB."""

SETTLE_SECONDS: Final = 2.0
"""In which what was needed for reading only is given back."""

CREATIONS_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """Of Stoker its memory is told, of the other side how much there was to be read."""

    seconds: float
    resident_mebibytes: float = 0.0
    size_bytes: int = 0


async def sync(setting: Setting) -> Bench:
    return judge(await _from_api_server(setting), await _from_prepared_bytes(setting))


def judge(real: dict[str, list[Reading]], prepared: dict[str, list[Reading]]) -> Bench:
    """Each has the readings of `ours` and `theirs`. The memory is that of the larger copy.

    Prepared bytes have no floor: they show how much of a synchronisation is Stoker's own work.
    """
    resident = max(middle([item.resident_mebibytes for item in found["ours"]]) for found in (real, prepared))
    ours, theirs = (_seconds(real[side]) for side in SIDES)
    rows = {side: _row(real[side]) for side in SIDES} | {f"{side}_prepared": _row(prepared[side]) for side in SIDES}
    return Bench(
        "sync",
        Comparison(ours, theirs, floors.SYNC_TIME, less_is_better=True),
        {"resident_mebibytes": Comparison(resident, floors.SYNC_RESIDENT_MEBIBYTES, 1.0, less_is_better=True)},
        details={
            "unit": "seconds; MiB against the limit",
            "megabytes": _megabytes(real),
            "prepared_bytes": {side: round(_seconds(prepared[side]), 3) for side in SIDES}
            | {"megabytes": _megabytes(prepared)},
            "rounds": rows,
        },
    )


def _seconds(readings: Sequence[Reading]) -> float:
    return middle([item.seconds for item in readings])


def _megabytes(found: dict[str, list[Reading]]) -> float:
    return round(middle([item.size_bytes for item in found["theirs"]]) / 1e6, 1)


def _row(readings: Sequence[Reading]) -> list[float]:
    return [round(item.seconds, 3) for item in readings]


async def _from_api_server(setting: Setting) -> dict[str, list[Reading]]:
    """Without the admission policies: reading never meets them, and creating the pods would take twice as long."""
    constants, node_names = setting.constants, [node_name(index) for index in range(setting.nodes)]
    async with Installation.start(find_or_build(), constants, without=POLICIES) as installation:
        setting.tell(f"creating {setting.nodes} nodes and {PODS_PER_NODE * setting.nodes} pods")
        await create_nodes(installation.client, constants, setting.nodes)
        await _create_pods(installation, constants, node_names)
        kubeconfig = await installation.kubeconfig("stoker")

        async def ours() -> Reading:
            begun = perf_counter()
            async with stoker_extender(kubeconfig, setting.directory) as party:
                seconds = perf_counter() - begun
                await asyncio.sleep(SETTLE_SECONDS)
                return Reading(seconds, party.resident_mebibytes())

        async def theirs() -> Reading:
            begun = perf_counter()
            _, size_bytes = await _discard(kubeconfig)
            return Reading(perf_counter() - begun, size_bytes=size_bytes)

        setting.tell("reading them from the API server in turn")
        return await in_turn({"ours": ours, "theirs": theirs}, setting.rounds)


async def _from_prepared_bytes(setting: Setting) -> dict[str, list[Reading]]:
    async with World.start(setting.constants, setting.nodes) as world:
        put_pods(setting, world)
        kubeconfig = world.kubeconfig(setting.directory)

        async def ours() -> Reading:
            return await _sync(setting, world)

        async def theirs() -> Reading:
            seconds, size_bytes = await _discard(kubeconfig)
            for path in READ:
                await world.server.asked_for(path)
            return Reading(seconds, size_bytes=size_bytes)

        setting.tell(f"reading {sum(map(world.server.size_bytes, READ)) / 1e6:.0f} MB of prepared bytes in turn")
        return await in_turn({"ours": ours, "theirs": theirs}, setting.rounds)


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


async def _discard(kubeconfig: Path) -> tuple[float, int]:
    """Seconds from the first request for one of the lists to the end of the last, and the bytes of all."""
    command = [sys.executable, "-m", "benchmarks.discard", str(kubeconfig), *READ]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await child.communicate()
    if child.returncode != 0:
        raise LabError(f"the reader that throws all away ended with status {child.returncode}")
    seconds, size_bytes = printed.split()
    return float(seconds), int(size_bytes)


async def _create_pods(installation: Installation, constants: Constants, node_names: Sequence[str]) -> None:
    """With their namespaces. What kubelets tell of them is not created with a pod, so these run nowhere yet."""
    slots = asyncio.Semaphore(CREATIONS_AT_ONCE)

    async def create(path: str, document: dict[str, Any]) -> None:
        async with slots:
            await installation.client.create(path, document)

    namespaces = snapshot.NAMESPACES.path
    await asyncio.gather(*(create(namespaces, namespace(number)) for number in range(NAMESPACES)))
    pods = _pods(constants, node_names)
    await asyncio.gather(*(create(f"{namespaces}/{pod['metadata']['namespace']}/pods", pod) for pod in pods))


def put_pods(setting: Setting, world: World) -> None:
    """Pods that run on the nodes, and the namespaces they are in, for whoever lists them."""
    pods = _pods(setting.constants, world.names)
    world.server.put(PODS.path, (stored(pod, world.server.next_version()) for pod in pods))
    world.put_namespaces(NAMESPACES)


def _pods(constants: Constants, node_names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of StatefulSets, spread over the nodes; a tenth has the tenant's images."""
    tenants, count = tenants_images(constants), PODS_PER_NODE * len(node_names)
    images = (tenants if is_warm(number) else set_images(number // PODS_PER_SET) for number in range(count))
    placed = zip(images, itertools.cycle(node_names), strict=False)
    return (running_pod(number, of_pod, node) for number, (of_pod, node) in enumerate(placed))


def set_images(number: int) -> tuple[str, str]:
    """What the pods of a StatefulSet run: two of the images that the nodes have at random."""
    return other_image(2 * number), other_image(2 * number + 1)
