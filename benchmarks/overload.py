"""The bench `overload`: an extender that is asked twice as many questions as it can answer.

Each question is about pods of a kind of its own, the slowest that there is. First they come one after the other, which
tells how many a second can be answered; then twice as many, each at its time, whatever became of those before.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from time import perf_counter
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import floors
from benchmarks.documents import question
from benchmarks.load import NUMBER, quantile
from benchmarks.parties import Party, stoker_extender
from benchmarks.report import Bench, Comparison
from benchmarks.setting import Setting
from benchmarks.world import World
from model.errors import LabError

IMAGE: Final = f"registry.example/agents/own-{NUMBER}:1.0"
TIMES_CAPACITY: Final = 2.0
CALM_QUESTIONS: Final = 100
CALM_AGAIN: Final = 2.0
"""Answers are as before the overload when they take no more than so many times as long."""

LATE: Final = "neutral: late"


async def overload(setting: Setting) -> Bench:
    async with (
        World.start(setting.constants, setting.nodes) as world,
        stoker_extender(world.kubeconfig(setting.directory), setting.directory) as party,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        crowd = _Crowd(party, session, question([IMAGE], world.names))
        usual = await crowd.calm(CALM_QUESTIONS)
        per_second = TIMES_CAPACITY / usual
        setting.tell(f"asking {per_second:.0f} questions a second, twice what can be answered")
        took = sorted(await crowd.storm(per_second, setting.rounds * setting.seconds))
        recovered = await crowd.recovery(usual)
        counted = await crowd.check_counts()
    longest = Comparison(took[-1] * 1000, floors.SCHEDULER_PATIENCE_MILLISECONDS, 1.0, less_is_better=True)
    return Bench(
        "overload",
        longest,
        {"recovered_seconds": Comparison(recovered, floors.RECOVERY_SECONDS, 1.0, less_is_better=True)},
        details={
            "unit": "milliseconds of the slowest answer, against the scheduler's patience",
            "usual_milliseconds": round(usual * 1000, 2),
            "questions_per_second": round(per_second),
            "p50": round(quantile(took, 0.5) * 1000, 1),
            "answers": counted,
        },
    )


class _Crowd:
    def __init__(self, party: Party, session: aiohttp.ClientSession, body: bytes) -> None:
        self._party = party
        self._session = session
        self._body = body
        self._asked = 0
        self._statuses: Counter[int] = Counter()

    async def calm(self, questions: int) -> float:
        """Seconds that an answer takes in the mean, where one question waits for the last one's answer."""
        begun = perf_counter()
        for _ in range(questions):
            await self._ask()
        return (perf_counter() - begun) / questions

    async def storm(self, per_second: float, seconds: float) -> list[float]:
        """What each answer took."""
        begun = perf_counter()
        under_way: list[asyncio.Task[float]] = []
        for number in range(int(per_second * seconds)):
            await asyncio.sleep(begun + number / per_second - perf_counter())
            under_way.append(asyncio.create_task(self._ask()))
        return await asyncio.gather(*under_way)

    async def recovery(self, usual: float) -> float:
        """Seconds from the last answer of the storm until one takes no longer than before it."""
        begun = perf_counter()
        while await self._ask() > CALM_AGAIN * usual:
            if perf_counter() - begun > 10 * floors.RECOVERY_SECONDS:
                raise LabError("the extender has not recovered from the overload")
        return perf_counter() - begun

    async def check_counts(self) -> dict[str, int]:
        """What the metrics say of the answers by their basis; LabError where it is not what was answered."""
        async with self._session.get(f"{self._party.metrics}/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
        samples = [sample for family in families for sample in family.samples]
        answers = {
            sample.labels["basis"]: int(sample.value)
            for sample in samples
            if sample.name == "stoker_extender_answers_total" and sample.labels["verb"] == "prioritize"
        }
        refused = {
            sample.labels["reason"]: int(sample.value)
            for sample in samples
            if sample.name == "stoker_http_refused_total"
        }
        if not answers.get(LATE) or sum(answers.values()) != self._statuses[200]:
            raise LabError(f"answered were {dict(self._statuses)}, counted {answers} and {refused}")
        if sum(refused.values()) != self._statuses[503]:
            raise LabError(f"refused were {self._statuses[503]}, counted {refused}")
        return {**answers, **refused}

    async def _ask(self) -> float:
        self._asked += 1
        body = self._body.replace(NUMBER.encode(), str(self._asked).encode())
        headers = {"Content-Type": "application/json"}
        begun = perf_counter()
        async with self._session.post(f"{self._party.url}/prioritize", data=body, headers=headers) as response:
            await response.read()
            self._statuses[response.status] += 1
        return perf_counter() - begun
