"""The benches of the webhook: `webhook`, over TLS with nobody between, and `create`, at the real API server.

Both webhooks decode the same reviews of 20 KB pods and answer the same changes; that they do is claimed and looked at.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import aiohttp
import msgspec

from benchmarks import floors
from benchmarks.documents import review
from benchmarks.load import NUMBER, Answers, Load, Trust, in_turn
from benchmarks.parties import Party, go_webhook, stoker_webhook
from benchmarks.report import Bench, Comparison, middle
from benchmarks.setting import Setting
from benchmarks.world import World
from lab.credentials import Credentials

CONNECTIONS: Final = (1, 64)
REQUESTS: Final = {1: 3_000, 64: 8_000}


@dataclass(frozen=True, slots=True)
class Round:
    """What one side needed in one round."""

    answers: Answers
    cpu_milliseconds: float
    """A review's."""


@dataclass(frozen=True, slots=True)
class Pair:
    ours: Party
    theirs: Party
    credentials: Credentials

    @classmethod
    @asynccontextmanager
    async def start(cls, setting: Setting) -> AsyncIterator[Pair]:
        """Both webhooks with one certificate; Stoker sees its Leases renewed, and so leaves nothing out."""
        async with AsyncExitStack() as stack:
            credentials = Credentials(setting.directory / "credentials", now=datetime.now(UTC))
            files = credentials.serving_files("webhook")
            world = await stack.enter_async_context(World.start(setting.constants, 0))
            kubeconfig = world.kubeconfig(setting.directory)
            ours = await stack.enter_async_context(stoker_webhook(kubeconfig, setting.directory, files))
            theirs = await stack.enter_async_context(go_webhook(setting.opponents.webhook, setting.directory, files))
            yield cls(ours, theirs, credentials)


async def webhook(setting: Setting) -> Bench:
    async with Pair.start(setting) as pair:
        setting.tell("asking both webhooks")
        equivalent = await _patch(pair.ours, pair) == await _patch(pair.theirs, pair)
        found = {count: await _rounds(setting, pair, count) for count in CONNECTIONS}
    further = {
        f"{figure}_{count}": comparison
        for count in CONNECTIONS
        for figure, comparison in _comparisons(*found[count]).items()
    }
    return Bench(
        "webhook",
        further.pop("p50_1"),
        further,
        {"equivalent": equivalent},
        {"unit": "milliseconds", "rounds": {str(count): _details(*found[count]) for count in CONNECTIONS}},
    )


async def _rounds(setting: Setting, pair: Pair, connections: int) -> tuple[list[Round], list[Round]]:
    load = Load([review()], connections, REQUESTS[connections], setting.seconds)
    trust, generator = Trust(authority=pair.credentials.ca_file), setting.generator()

    def asking(party: Party) -> Callable[[], Awaitable[Round]]:
        async def ask() -> Round:
            before = party.cpu_seconds()
            answers = await generator.send(f"{party.url}/mutate", load, trust)
            used = party.cpu_seconds() - before
            return Round(answers, used * 1000 / answers.sent)

        return ask

    sides = {"ours": asking(pair.ours), "theirs": asking(pair.theirs)}
    await in_turn(sides, 1)
    found = await in_turn(sides, setting.rounds)
    return found["ours"], found["theirs"]


def _comparisons(ours: Sequence[Round], theirs: Sequence[Round]) -> dict[str, Comparison]:
    figures: dict[str, tuple[Callable[[Round], float], float]] = {
        "p50": (lambda item: item.answers.p50, floors.WEBHOOK_P50),
        "p99": (lambda item: item.answers.p99, floors.WEBHOOK_P99),
        "cpu": (lambda item: item.cpu_milliseconds, floors.WEBHOOK_CPU),
    }
    return {
        name: Comparison(middle(list(map(of, ours))), middle(list(map(of, theirs))), most, less_is_better=True)
        for name, (of, most) in figures.items()
    }


async def _patch(party: Party, pair: Pair) -> list[bytes]:
    """The operations that a webhook answers, in an order of their own."""
    trusted = ssl.create_default_context(cafile=str(pair.credentials.ca_file))
    body, headers = review().replace(NUMBER.encode(), b"0"), {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{party.url}/mutate", data=body, headers=headers, ssl=trusted) as response,
    ):
        answer: dict[str, Any] = msgspec.json.decode(await response.read())
    operations = msgspec.json.decode(base64.b64decode(answer["response"]["patch"]))
    return sorted(msgspec.json.encode(operation, order="deterministic") for operation in operations)


def _details(ours: Sequence[Round], theirs: Sequence[Round]) -> dict[str, object]:
    return {name: [_row(item) for item in items] for name, items in (("ours", ours), ("theirs", theirs))}


def _row(item: Round) -> dict[str, float]:
    return {
        "requests": len(item.answers.milliseconds),
        "p50": round(item.answers.p50, 3),
        "p99": round(item.answers.p99, 3),
        "cpu": round(item.cpu_milliseconds, 3),
        "per_second": round(len(item.answers.milliseconds) / item.answers.seconds, 1),
    }
