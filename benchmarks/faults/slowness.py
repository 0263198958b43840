"""Slow clients by the hundred, beside honest ones whose answers are timed with and without them, in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

from benchmarks import opponents
from benchmarks.crowd import create_nodes, node_name
from benchmarks.documents import question, review
from benchmarks.faults import newcomers
from benchmarks.faults.dripping import dripping
from benchmarks.faults.findings import Finding
from benchmarks.faults.setting import Family, Setting
from benchmarks.installation import Installation
from benchmarks.load import Answers, Generator, Load, Trust, in_turn, quantile
from benchmarks.parties import Party, stoker_extender, stoker_webhook
from lab.credentials import Credentials

NODES: Final = 200
MOST_OF_CONTROL: Final = 1.5
"""How many times the p99 of the control rounds that of the others may be; of newcomers, of whom fewer come, the p90."""

SETTLE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Extent:
    clients: int
    over_seconds: float
    """In which the slow clients come: as long as it takes to throw one out, some are about to return at any time."""

    rounds: int
    seconds: float


LONG: Final = Extent(500, 12.0, 3, 6.0)
SHORT: Final = Extent(100, 1.0, 1, 1.0)


@dataclass(frozen=True, slots=True)
class Round:
    """Honest requests of the same time: on one connection that is kept, and each on one of its own."""

    kept: Answers
    own: Answers


def judge_slow_clients(name: str, control: Sequence[Round], beside: Sequence[Round], clients: int) -> Finding:
    """By the medians of the rounds."""
    before, with_them = median(item.kept.p99 for item in control), median(item.kept.p99 for item in beside)
    own_before, own_with_them = median(map(_own_p90, control)), median(map(_own_p90, beside))
    ratios = {"p99 of honest requests": with_them / before, "p90 of those that connected": own_with_them / own_before}
    complaints = tuple(
        f"the {what} was {ratio:.2f} times that of the control rounds, {MOST_OF_CONTROL:g} are allowed"
        for what, ratio in ratios.items()
        if ratio > MOST_OF_CONTROL
    )
    sent, seconds = sum(item.kept.sent + item.own.sent for item in beside), sum(item.kept.seconds for item in beside)
    details = {
        "slow_clients": clients,
        "control_p99_milliseconds": round(before, 2),
        "p99_milliseconds": round(with_them, 2),
        "ratio": round(with_them / before, 2),
        "connections": sum(item.own.sent for item in beside),
        "control_connecting_p90_milliseconds": round(own_before, 2),
        "connecting_p90_milliseconds": round(own_with_them, 2),
    }
    return Finding(name, "requests", sent / max(seconds, 0.001), sent, 0, 0, 0.0, complaints, details)


def _own_p90(item: Round) -> float:
    return quantile(item.own.milliseconds, 0.9)


@dataclass(frozen=True, slots=True)
class SlowPlace:
    setting: Setting
    webhook: Party
    extender: Party
    generator: Generator
    trust: Trust

    @classmethod
    @asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator[SlowPlace]:
        setting.tell(f"starting a control plane with {NODES} nodes, a webhook and an extender")
        async with AsyncExitStack() as stack:
            installation = await stack.enter_async_context(Installation.start(setting.programs, setting.constants))
            await create_nodes(installation.client, setting.constants, NODES)
            credentials = Credentials(setting.directory / "credentials", now=datetime.now(UTC))
            files, kubeconfig = credentials.serving_files("webhook"), await installation.kubeconfig("stoker")
            webhook = await stack.enter_async_context(stoker_webhook(kubeconfig, setting.directory, files))
            extender = await stack.enter_async_context(stoker_extender(kubeconfig, setting.directory))
            program = (await asyncio.to_thread(opponents.find_or_build)).load
            generator, trust = Generator(program, setting.directory), Trust(authority=credentials.ca_file)
            yield cls(setting, webhook, extender, generator, trust)

    async def compare(self, name: str, party: Party, path: str, body: bytes) -> Finding:
        """The same honest requests, with and without slow clients, each of whom was thrown out once before."""
        extent = self.setting.extent(LONG, SHORT)
        load = Load([body], connections=1, requests=1_000_000, seconds=extent.seconds)

        async def alone() -> Round:
            await asyncio.sleep(SETTLE_SECONDS)
            kept, own = await asyncio.gather(
                self.generator.send(party.url + path, load, self.trust),
                newcomers.send(party.url + path, body, extent.seconds, self.trust),
            )
            return Round(kept, own)

        async def beside() -> Round:
            slow = dripping(party.url, extent.clients, extent.over_seconds, self.setting.directory)
            await slow.start()
            try:
                return await alone()
            finally:
                await slow.kill()

        await alone()
        found = await in_turn({"control": alone, "beside": beside}, extent.rounds)
        return judge_slow_clients(name, found["control"], found["beside"], extent.clients)


async def webhook(place: SlowPlace) -> Finding:
    return await place.compare("slow-clients-webhook", place.webhook, "/mutate", review())


async def extender(place: SlowPlace) -> Finding:
    load = place.setting.constants.demo.load.tenant
    images = [place.setting.constants.images[name].reference for name in (load.image, load.init_image)]
    body = question(images, [node_name(number) for number in range(NODES)])
    return await place.compare("slow-clients-extender", place.extender, "/prioritize", body)


FAULTS: Final[dict[str, Callable[[SlowPlace], Awaitable[Finding]]]] = {
    "slow-clients-webhook": webhook,
    "slow-clients-extender": extender,
}
FAMILY: Final = Family(SlowPlace.start, FAULTS)
