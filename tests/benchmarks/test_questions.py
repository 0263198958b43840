"""Under which conditions the rounds of the scheduler's questions count."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Metric

from benchmarks.load import Answers, Load
from benchmarks.parties import Party
from benchmarks.questions import Pair
from benchmarks.world import World
from lab.constants import load_constants
from lab.processes import Process

LOAD = Load([b"{}"], requests=5)
ROUNDS = 2
WARM_UP = 1
LATE = "neutral: late"


async def unasked() -> bool:
    return True


class Extender:
    """Answers whatever it is asked, and counts as if its answers rested on these in turn, on the last ever after."""

    def __init__(self, *bases: str) -> None:
        self._bases = list(bases)
        self._registry = CollectorRegistry()
        self._answers = Metric(
            "stoker_extender_answers_total", "Of this one.", ["verb", "basis"], registry=self._registry
        )

    async def answer(self, request: web.Request) -> web.Response:
        basis = self._bases.pop(0) if len(self._bases) > 1 else self._bases[0]
        self._answers.labels(request.path.strip("/"), basis).inc()
        return web.Response()

    async def tell(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Party]:
        app = web.Application()
        app.router.add_post("/{verb}", self.answer)
        app.router.add_get("/metrics", self.tell)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield Party(Process("extender", [], log=Path(), check=unasked), url, url)
        finally:
            await runner.cleanup()


class Asking:
    """Sends the requests of a load, as the generator does."""

    async def send(self, url: str, load: Load) -> Answers:
        async with aiohttp.ClientSession() as session:
            for _ in range(load.requests):
                async with session.post(url, data=load.bodies[0]) as response:
                    assert response.status == 200
        return Answers((1.0,) * (load.requests - 1), 1.0, sent=load.requests)


async def claims(*bases: str, verb: str = "prioritize") -> dict[str, bool]:
    async with (
        World.start(load_constants(None), 30) as world,
        Extender(*bases).running() as ours,
        Extender("forecast").running() as theirs,
    ):
        pair = Pair(world, ours, theirs, Asking())  # type: ignore[arg-type] # what it uses of a generator
        _, _, found = await pair.compare(verb, LOAD, ROUNDS)
        return found


@pytest.mark.parametrize("verb", ["prioritize", "filter"])
async def test_rounds_of_nothing_but_forecasts_count(verb: str) -> None:
    assert (await claims("forecast", verb=verb))["all_forecasts"]


async def test_an_extender_that_begins_to_answer_neutrally_in_mid_round_is_not_measured() -> None:
    warm_up = ["forecast"] * LOAD.requests * WARM_UP
    assert not (await claims(*warm_up, *["forecast"] * 7, LATE))["all_forecasts"]


async def test_one_neutral_answer_is_not_made_up_for_by_forecasts_before_the_rounds() -> None:
    warm_up = ["forecast"] * LOAD.requests * WARM_UP
    assert not (await claims(*warm_up, LATE, "forecast"))["all_forecasts"]


async def test_what_is_answered_neutrally_while_warming_up_does_not_matter() -> None:
    assert (await claims(LATE, "forecast"))["all_forecasts"]


async def test_answers_to_another_verb_are_not_counted() -> None:
    async with Extender("forecast", LATE).running() as party:
        await Asking().send(f"{party.url}/filter", LOAD)
        assert Counter(await party.answered("filter")) == {"forecast": 1, LATE: 4}
        assert await party.answered("prioritize") == {}
