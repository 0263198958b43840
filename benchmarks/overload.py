"""The bench `overload`: extender and webhook, each asked twice as often as it can answer.

How much that is, is measured with a few requests always under way. Then twice as many a second are sent, each at its
time, and times count from when a request was due. The extender's questions are about pods of a kind of its own each,
the slowest that there is: all are to be answered while the shipped scheduler waits, late ones neutrally, none refused.
The webhook's reviews are to be answered in full, or with 429 and `Retry-After: 1`, while the API server waits. The
bench fails, too, where less was sent than it says.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import floors
from benchmarks.admission import Pair
from benchmarks.documents import question, review
from benchmarks.load import NUMBER, Generator, Load, Storm, Trust, quantile
from benchmarks.parties import stoker_extender
from benchmarks.report import Bench, Comparison
from benchmarks.setting import Setting
from benchmarks.storms import Asker, allow_connections, calm, recovery
from benchmarks.world import World
from serving.connections import MAX_CONNECTIONS

IMAGE: Final = f"registry.example/agents/own-{NUMBER}:1.0"
TIMES_CAPACITY: Final = 2.0
REALLY_SENT: Final = 0.95
"""Less of the intended rate than this is another, smaller overload."""

CAPACITY_SECONDS: Final = 30.0
PASSES: Final = 3
"""Of which the best, the least disturbed, is the capacity."""

CALM_REQUESTS: Final = 100
CALM_AGAIN: Final = 2.0
"""Answers are as before the overload when they take no more than so many times as long."""

CALM_AT_LEAST_SECONDS: Final = 0.02
"""What a busy machine may add to any answer."""

LATE: Final = "neutral: late"
SHED_WITH: Final = (429, "1")


@dataclass(frozen=True, slots=True)
class Trial:
    """How one side is asked. A connection carries one request at a time: there must be one for all that wait."""

    in_flight: int
    requests: int
    """With which capacity is measured, so many of them in flight."""

    waiting_seconds: float


EXTENDER: Final = Trial(in_flight=8, requests=400, waiting_seconds=3.0)
WEBHOOK: Final = Trial(in_flight=16, requests=4_000, waiting_seconds=2.0)


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: `body` is POSTed to `url`."""

    url: str
    body: bytes
    authority: Path | None = None

    @property
    def trust(self) -> Trust:
        return Trust(authority=self.authority)

    def asker(self) -> AbstractAsyncContextManager[Asker]:
        context = ssl.create_default_context(cafile=str(self.authority)) if self.authority else None
        return Asker.start(self.url, self.body, context)


@dataclass(frozen=True, slots=True)
class Weathered:
    """A storm, and what was before and after it."""

    capacity: float
    usual_seconds: float
    storm: Storm
    recovered_seconds: float
    answers: Counter[tuple[int, str]]
    """By status and Retry-After, all: before, in and after the storm."""

    @property
    def was_twice_capacity(self) -> bool:
        return self.storm.per_second >= REALLY_SENT * TIMES_CAPACITY * self.capacity

    def slowest(self, patience_milliseconds: float) -> Comparison:
        return Comparison(self.storm.seconds[-1] * 1000, patience_milliseconds, 1.0, less_is_better=True)

    def recovered(self) -> Comparison:
        return Comparison(self.recovered_seconds, floors.RECOVERY_SECONDS, 1.0, less_is_better=True)

    def as_json(self) -> dict[str, object]:
        return {
            "usual_milliseconds": round(self.usual_seconds * 1000, 2),
            "capacity_per_second": round(self.capacity),
            "sent_per_second": round(self.storm.per_second),
            "p50": round(quantile(self.storm.seconds, 0.5) * 1000, 1),
            "within_500_milliseconds": round(
                sum(took <= 0.5 for took in self.storm.seconds) / len(self.storm.seconds), 3
            ),
            "statuses": {f"{status} {after}".strip(): count for (status, after), count in self.storm.answers.items()},
        }


async def overload(setting: Setting) -> Bench:
    allow_connections()
    async with (
        World.start(setting.constants, setting.nodes) as world,
        stoker_extender(world.kubeconfig(setting.directory), setting.directory) as party,
    ):
        target = Target(f"{party.url}/prioritize", question([IMAGE], world.names))
        extender = await _weather(setting, target, EXTENDER)
        answers = await party.answered("prioritize")
    claims = extender_claims(extender, answers)
    async with Pair.start(setting) as pair:
        target = Target(f"{pair.ours.url}/mutate", review(), pair.credentials.ca_file)
        webhook = await _weather(setting, target, WEBHOOK)
        counted = await pair.ours.counted("stoker_webhook_reviews_total", "outcome")
        counted |= {"shed": sum((await pair.ours.counted("stoker_webhook_shed_total", "")).values())}
    claims |= webhook_claims(webhook, counted)
    return Bench(
        "overload",
        extender.slowest(floors.SCHEDULER_PATIENCE_MILLISECONDS),
        {
            "recovered_seconds": extender.recovered(),
            "webhook": webhook.slowest(floors.WEBHOOK_PATIENCE_MILLISECONDS),
            "webhook_recovered_seconds": webhook.recovered(),
        },
        claims,
        {
            "unit": "milliseconds of the slowest answer, against the patience of scheduler and API server",
            "details": {
                "extender": {**extender.as_json(), "counted": answers},
                "webhook": {**webhook.as_json(), "counted": counted},
            },
        },
    )


def extender_claims(found: Weathered, counted: Mapping[str, int]) -> dict[str, bool]:
    """`counted` are answers by their basis."""
    return {
        "asked_twice_capacity": found.was_twice_capacity,
        "none_refused": found.storm.count(200) == len(found.storm.seconds),
        "late_ones_counted": counted.get(LATE, 0) > 0 and sum(counted.values()) == found.answers.get((200, ""), 0),
    }


def webhook_claims(found: Weathered, counted: Mapping[str, int]) -> dict[str, bool]:
    """`counted` are reviews by their outcome, and those that were shed."""
    return {
        "webhook_asked_twice_capacity": found.was_twice_capacity,
        "webhook_answers_or_sheds": set(found.storm.answers) == {(200, ""), SHED_WITH},
        "webhook_patches_what_it_answers": counted.get("mutated") == found.answers.get((200, "")),
        "webhook_shed_counted": counted.get("shed") == found.answers.get(SHED_WITH),
    }


async def _weather(setting: Setting, target: Target, trial: Trial) -> Weathered:
    generator = setting.generator()
    async with target.asker() as asker:
        await calm(asker.ask, CALM_REQUESTS)
        usual = await calm(asker.ask, CALM_REQUESTS)
        capacity, answered = await _capacity(generator, target, trial)
        per_second = TIMES_CAPACITY * capacity
        connections = min(int(per_second * trial.waiting_seconds), MAX_CONNECTIONS - 2 * trial.in_flight)
        requests = connections + max(2, int(per_second * setting.rounds * setting.seconds))
        setting.tell(f"asking {per_second:.0f} times a second, twice what can be answered")
        storm = await generator.storm(target.url, Load([target.body], connections, requests), per_second, target.trust)
        calm_again = max(CALM_AGAIN * usual, CALM_AT_LEAST_SECONDS)
        recovered = await recovery(asker.ask, calm_again, 10 * floors.RECOVERY_SECONDS)
    before: Counter[tuple[int, str]] = Counter({(200, ""): answered + connections})
    return Weathered(capacity, usual, storm, recovered, before + storm.answers + asker.answers)


async def _capacity(generator: Generator, target: Target, trial: Trial) -> tuple[float, int]:
    """Answers a second where so many requests are always under way, and how many there were."""
    load = Load([target.body], trial.in_flight, trial.requests, CAPACITY_SECONDS)
    passes = [await generator.send(target.url, load, target.trust) for _ in range(PASSES)]
    return max(len(found.milliseconds) / found.seconds for found in passes), sum(found.sent for found in passes)
