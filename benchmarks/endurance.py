"""The bench `endurance`: what an hour of changes leaves in memory.

Nodes change their images, pods come and go under ever new names, and so do some nodes, as fast as they are read. With
the usual five rounds it is 300,000 changes; `--rounds 30` is the hour at 500 a second that the floor is meant for.
What is bounded by its size (the images seen last, say) is filled before: no image is new.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Final

import aiohttp

from benchmarks import floors
from benchmarks.documents import question, running_pod
from benchmarks.load import NUMBER
from benchmarks.parties import Party, stoker_extender
from benchmarks.questions import tenants_images
from benchmarks.report import Bench, Comparison
from benchmarks.setting import Setting
from benchmarks.sync import SETTLE_SECONDS, put_pods
from benchmarks.world import World
from model.errors import LabError

CHANGES_PER_ROUND: Final = 60_000
WARM_UP_CHANGES: Final = 120_000
"""An allocator that hands out pieces of many sizes is where it stays after some hundred thousand of them."""

STEP: Final = 20
"""Changes of each step: two pods come and two go, the others are nodes'."""

PODS_AT_A_TIME: Final = 2_000
NODE_EVERY_STEPS: Final = 50
QUESTION_EVERY_STEPS: Final = 25
QUESTION_NODES: Final = 500


async def endurance(setting: Setting) -> Bench:
    async with World.start(setting.constants, setting.nodes) as world:
        put_pods(setting, world)
        async with (
            stoker_extender(world.kubeconfig(setting.directory), setting.directory) as party,
            aiohttp.ClientSession() as session,
        ):
            hour = _Hour(setting, world, party, session)
            setting.tell(f"telling of {setting.rounds * CHANGES_PER_ROUND} changes")
            await hour.go_on(WARM_UP_CHANGES)
            resident = [await _resident(party)]
            seconds = 0.0
            for _ in range(setting.rounds):
                begun = perf_counter()
                await hour.go_on(CHANGES_PER_ROUND)
                seconds += perf_counter() - begun
                resident.append(await _resident(party))
    return Bench(
        "endurance",
        Comparison(resident[-1], resident[0], floors.ENDURANCE_RESIDENT, less_is_better=True),
        details={
            "unit": "MiB resident after the changes, against after the warm-up",
            "changes": setting.rounds * CHANGES_PER_ROUND,
            "changes_per_second": round(setting.rounds * CHANGES_PER_ROUND / seconds),
            "resident": [round(item, 1) for item in resident],
        },
    )


async def _resident(party: Party) -> float:
    await asyncio.sleep(SETTLE_SECONDS)
    return party.resident_mebibytes()


class _Hour:
    """Tells of changes, and asks about pods meanwhile, as a scheduler does."""

    def __init__(self, setting: Setting, world: World, party: Party, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._session = session
        self._url = f"{party.url}/prioritize"
        self._images = tenants_images(setting.constants)
        self._question = question(self._images, world.names[:QUESTION_NODES])
        self._pods: deque[dict[str, object]] = deque()
        self._steps = 0

    async def go_on(self, changes: int) -> None:
        for _ in range(changes // STEP):
            await self._step()

    async def _step(self) -> None:
        self._steps += 1
        for place in range(2):
            await self._exchange_pod(10**6 + 2 * self._steps + place)
        for place in range(STEP - 4):
            await self._world.change_node((self._steps * STEP + place) % len(self._world.names))
        if self._steps % NODE_EVERY_STEPS == 0:
            await self._world.exchange_node()
        if self._steps % QUESTION_EVERY_STEPS == 0:
            await self._ask()

    async def _exchange_pod(self, number: int) -> None:
        pod = running_pod(number, self._images, self._world.names[number % len(self._world.names)])
        self._pods.append(pod)
        await self._world.tell_pod("ADDED", pod)
        if len(self._pods) > PODS_AT_A_TIME:
            await self._world.tell_pod("DELETED", self._pods.popleft())

    async def _ask(self) -> None:
        body = self._question.replace(NUMBER.encode(), str(self._steps).encode())
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            if response.status != 200:
                raise LabError(f"a question among the changes was answered with {response.status}")
            await response.read()
