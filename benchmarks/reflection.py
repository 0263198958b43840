"""The bench `reflection`: how long after a node's event the scores tell of it, while 500 events a second arrive.

The events come from a scripted watch: a real API server on the same processors would be the limit. A question about two
nodes is asked again and again; one of them loses the pod's main image and gets it back, and with it its score.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

import aiohttp
import msgspec

from benchmarks import floors
from benchmarks.documents import question
from benchmarks.load import NUMBER, quantile
from benchmarks.parties import Party, stoker_extender
from benchmarks.questions import tenants_images
from benchmarks.report import Bench, Comparison
from benchmarks.setting import Setting
from benchmarks.world import World
from model.errors import LabError

EVENTS_PER_SECOND: Final = 500
EVENTS_PER_ROUND: Final = 60
APART_SECONDS: Final = 0.04
PROBE: Final = 0
REFERENCE: Final = 10
"""Both have the pod's images at first."""

PAUSE_SECONDS: Final = 0.002
DEADLINE_SECONDS: Final = 30.0


async def reflection(setting: Setting) -> Bench:
    async with (
        World.start(setting.constants, setting.nodes) as world,
        stoker_extender(world.kubeconfig(setting.directory), setting.directory) as party,
        aiohttp.ClientSession() as session,
        world.changing(EVENTS_PER_SECOND),
    ):
        setting.tell(f"telling of {EVENTS_PER_SECOND} changes a second")
        probe = _Probe(setting, world, party, session)
        delays = sorted([await probe.delay() for _ in range(setting.rounds * EVENTS_PER_ROUND)])
    p99 = quantile(delays, 0.99)
    return Bench(
        "reflection",
        Comparison(p99, floors.REFLECTION_P99_MILLISECONDS, 1.0, less_is_better=True),
        claims={"changes_told": world.changes.were_told},
        details={
            "unit": "milliseconds, p99, against the limit",
            "events": len(delays),
            "p50": round(quantile(delays, 0.5), 3),
        },
    )


class _Probe:
    """Changes the one node, and asks until the answer shows it."""

    def __init__(self, setting: Setting, world: World, party: Party, session: aiohttp.ClientSession) -> None:
        self._world = world
        self._session = session
        self._url = f"{party.url}/prioritize"
        asked = [world.names[PROBE], world.names[REFERENCE]]
        self._body = question(tenants_images(setting.constants), asked).replace(NUMBER.encode(), b"0")
        self._has_image = True

    async def delay(self) -> float:
        """Milliseconds from the event's writing to the first answer that knows of it."""
        await asyncio.sleep(APART_SECONDS)
        self._has_image = not self._has_image
        begun = perf_counter()
        await self._world.change_node(PROBE)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while await self._scores_alike() != self._has_image:  # noqa: ASYNC110 - asked over HTTP
                    await asyncio.sleep(PAUSE_SECONDS)
        except TimeoutError as error:
            raise LabError(f"after {DEADLINE_SECONDS:g} s the scores do not show what a node's event told") from error
        return (perf_counter() - begun) * 1000

    async def _scores_alike(self) -> bool:
        headers = {"Content-Type": "application/json"}
        async with self._session.post(self._url, data=self._body, headers=headers) as response:
            first, second = msgspec.json.decode(await response.read())
        return bool(first["Score"] == second["Score"])
