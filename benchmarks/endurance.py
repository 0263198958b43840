"""The bench `endurance`: what an hour of changes leaves in memory.

Nodes replace an image by one that was never seen before, ten nodes each; pods with labels, namespaces and images of
their own come behind a gate, are bound and go; and so do some nodes, all as fast as it is read. As much is alive in the
end as after the warm-up. The hour at 500 changes a second, 1.8 million, is thirty rounds, and what the bench does where
nothing else is asked for. After fewer rounds only their share of the growth is allowed: five, a sixth of the hour, may
add a sixth of 5 %. The extender alone runs; what the controller and the webhook keep is not looked at here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Any, Final

import aiohttp
import msgspec

from benchmarks import floors
from benchmarks.crowd import new_image
from benchmarks.documents import PODS_PER_SET, question, running_pod
from benchmarks.load import NUMBER
from benchmarks.parties import Party, stoker_extender
from benchmarks.questions import tenants_images
from benchmarks.report import Bench, Comparison
from benchmarks.setting import Setting
from benchmarks.sync import put_pods
from benchmarks.world import World
from model import names
from model.errors import LabError

CHANGES_PER_ROUND: Final = 60_000
HOUR_ROUNDS: Final = 30
HOUR_CHANGES: Final = HOUR_ROUNDS * CHANGES_PER_ROUND
WARM_UP_CHANGES: Final = 120_000
"""An allocator that hands out pieces of many sizes is where it stays after some hundred thousand of them."""

STEP: Final = 20
"""Changes of each step: two pods come, two are bound and two go, the others are nodes'."""

NODES_PER_IMAGE: Final = 10
SETTLE_SECONDS: Final = 0.5
"""In which what is on its way still has been read."""


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
            changes = setting.rounds * CHANGES_PER_ROUND
            setting.tell(f"telling of {changes} changes")
            at_first = await _resident(party)
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
        Comparison(resident[-1], resident[0], floor_after(changes), less_is_better=True),
        details={
            "unit": "MiB resident after the changes, against after the warm-up",
            "changes": changes,
            "changes_per_second": round(changes / seconds),
            "resident": [round(item, 1) for item in resident],
            "resident_before_warm_up": round(at_first, 1),
        },
    )


def floor_after(changes: int) -> float:
    """The greatest ratio allowed: of the hour's growth the share that these changes are of the hour's."""
    return round(1 + (floors.ENDURANCE_RESIDENT - 1) * min(1.0, changes / HOUR_CHANGES), 4)


async def _resident(party: Party) -> float:
    await asyncio.sleep(SETTLE_SECONDS)
    return party.resident_mebibytes()


class _Hour:
    """Tells of changes, and asks about pods meanwhile, as a scheduler does."""

    def __init__(self, setting: Setting, world: World, party: Party, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._session = session
        self._url = f"{party.url}/prioritize"
        self._question = question(tenants_images(setting.constants), world.names[:QUESTION_NODES])
        self._pods: deque[dict[str, Any]] = deque()
        self._steps = 0
        self._replaced = 0

    async def go_on(self, changes: int) -> None:
        for _ in range(changes // STEP):
            await self._step()

    async def _step(self) -> None:
        self._steps += 1
        for place in range(2):
            await self._exchange_pod(10**6 + 2 * self._steps + place)
        for _ in range(STEP - 6):
            await self._replace_image()
        if self._steps % NODE_EVERY_STEPS == 0:
            await self._world.exchange_node()
        if self._steps % QUESTION_EVERY_STEPS == 0:
            await self._ask()

    async def _replace_image(self) -> None:
        image = new_image(self._replaced // NODES_PER_IMAGE)
        await self._world.replace_image(self._replaced % len(self._world.names), msgspec.json.encode(image))
        self._replaced += 1

    async def _exchange_pod(self, number: int) -> None:
        """One comes and waits, is bound and runs; the oldest goes."""
        pod = running_pod(number, _images(number), self._world.names[number % len(self._world.names)])
        self._pods.append(pod)
        await self._world.tell_pod("ADDED", waiting(pod))
        await self._world.tell_pod("MODIFIED", pod)
        if len(self._pods) > PODS_AT_A_TIME:
            await self._world.tell_pod("DELETED", self._pods.popleft())

    async def _ask(self) -> None:
        body = self._question.replace(NUMBER.encode(), str(self._steps).encode())
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            if response.status != 200:
                raise LabError(f"a question among the changes was answered with {response.status}")
            await response.read()


def _images(number: int) -> tuple[str]:
    """A StatefulSet's own, which nobody has run before."""
    return (f"registry.example/agents/agent-{number // PODS_PER_SET}:1.0",)


def waiting(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod as it was before it was bound."""
    spec = {key: value for key, value in pod["spec"].items() if key != "nodeName"}
    return {
        **pod,
        "spec": {**spec, "schedulingGates": [{"name": names.WARM_NODE_GATE}]},
        "status": {"phase": "Pending"},
    }
