"""Requests at their times, sent by the real load generator, and what overload has to show."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from benchmarks import floors
from benchmarks.load import NUMBER, Generator, Load, Storm
from benchmarks.opponents import Opponents, find_or_build
from benchmarks.overload import LATE, SHED_WITH, Weathered, extender_claims, webhook_claims
from benchmarks.storms import Asker, Reply, recovery
from manifests.loader import load
from model.errors import LabError

Handler = Callable[[web.Request], Awaitable[web.Response]]
BODY = NUMBER.encode()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opponents() -> Opponents:
    return await asyncio.to_thread(find_or_build)


@pytest.fixture
def generator(opponents: Opponents, tmp_path: Path) -> Generator:
    return Generator(opponents.load, tmp_path)


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/ask", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/ask"
    finally:
        await runner.cleanup()


class Served:
    """Notes the numbers of the requests and the connections they came over, and answers them one after the other."""

    def __init__(self, connections: int, answer: Callable[[], web.Response], pause_seconds: float = 0.0) -> None:
        self.numbers: list[int] = []
        self.peers: set[object] = set()
        self._connections = connections
        self._answer = answer
        self._pause_seconds = pause_seconds
        self._turn = asyncio.Lock()

    async def handle(self, request: web.Request) -> web.Response:
        self.numbers.append(int(await request.text()))
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        if len(self.numbers) <= self._connections:
            return web.Response()
        async with self._turn:
            await asyncio.sleep(self._pause_seconds)
        return self._answer()


def shed() -> web.Response:
    return web.Response(status=429, text="later", headers={"Retry-After": "1"})


async def test_status_and_retry_after_of_answers_are_told(generator: Generator) -> None:
    async with server(Served(2, shed).handle) as url:
        found = await generator.storm(url, Load([BODY], connections=2, requests=7), 1000.0)
    assert found.answers == {(429, "1"): 5}
    assert found.count(429) == len(found.seconds) == 5


async def test_each_request_has_a_number_of_its_own_and_the_connections_are_those_of_the_beginning(
    generator: Generator,
) -> None:
    served = Served(3, lambda: web.Response(body=b"x" * 200_000))
    async with server(served.handle) as url:
        await generator.storm(url, Load([BODY], connections=3, requests=10), 1000.0)
    assert sorted(served.numbers) == list(range(10))
    assert len(served.peers) == 3


async def test_what_waits_for_others_before_it_is_late_from_when_it_was_due(generator: Generator) -> None:
    """One at a time, each for longer than the requests are apart: the last has waited for all."""
    pause, per_second = 0.02, 200.0
    async with server(Served(10, web.Response, pause).handle) as url:
        found = await generator.storm(url, Load([BODY], connections=10, requests=20), per_second)
    assert found.seconds[-1] >= 10 * pause - 9 / per_second


async def test_a_rate_that_was_not_reached_is_told(generator: Generator) -> None:
    """Over one connection, a request waits unwritten for the last one's answer."""
    pause = 0.02
    async with server(Served(1, web.Response, pause).handle) as url:
        found = await generator.storm(url, Load([BODY], connections=1, requests=11), 1000.0)
    assert found.per_second <= 1 / pause


async def test_a_connection_that_an_answer_ends_is_replaced(generator: Generator) -> None:
    def end() -> web.Response:
        response = web.Response(status=503)
        response.force_close()
        return response

    async with server(Served(1, end).handle) as url:
        found = await generator.storm(url, Load([BODY], connections=1, requests=4), 1000.0)
    assert found.answers == {(503, ""): 3}


async def test_a_refusal_before_the_storm_fails_the_bench(generator: Generator) -> None:
    async with server(Served(0, shed).handle) as url:
        with pytest.raises(LabError, match="429 1 before the storm"):
            await generator.storm(url, Load([BODY], connections=1, requests=4), 1000.0)


async def test_a_connection_that_ends_without_an_answer_fails_the_bench(generator: Generator) -> None:
    async def vanish(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with server(vanish) as url:
        with pytest.raises(LabError, match=r"EOF|reset"):
            await generator.storm(url, Load([BODY], connections=1, requests=4), 1000.0)


async def test_one_question_at_a_time_is_answered_with_status_and_retry_after() -> None:
    async def answer(_: web.Request) -> web.Response:
        return shed()

    async with server(answer) as url, Asker.start(url, BODY) as asker:
        assert await asker.ask() == Reply(429, "1")
    assert asker.answers == {(429, "1"): 1}


async def test_a_refusal_is_no_recovery_however_fast_it_comes() -> None:
    replies = iter([Reply(429, "1"), Reply(503, ""), Reply(200, "")])

    async def ask() -> Reply:
        return next(replies)

    await recovery(ask, 10.0, 10.0)
    assert next(replies, None) is None


def test_the_extenders_limit_is_how_long_the_shipped_scheduler_waits() -> None:
    shipped = next(item for item in load("scheduler") if item["kind"] == "ConfigMap")
    waits = {extender["httpTimeout"] for extender in yaml.safe_load(shipped["data"]["scheduler.yaml"])["extenders"]}
    assert waits == {f"{floors.SCHEDULER_PATIENCE_MILLISECONDS:g}ms"}


def test_the_webhooks_limit_is_how_long_the_api_server_waits() -> None:
    shipped = next(item for item in load("base") if item["kind"] == "MutatingWebhookConfiguration")
    assert shipped["webhooks"][0]["timeoutSeconds"] * 1000 == floors.WEBHOOK_PATIENCE_MILLISECONDS


def weathered(answers: dict[tuple[int, str], int], per_second: float = 200.0) -> Weathered:
    counted = Counter(answers)
    found = Storm((0.1,) * counted.total(), counted, per_second)
    return Weathered(100.0, 0.01, found, 0.0, counted + Counter({(200, ""): 1}))


@pytest.mark.parametrize(
    ("found", "counted", "failing"),
    [
        (weathered({(200, ""): 9}), {LATE: 5, "forecast": 5}, set()),
        (weathered({(200, ""): 9}, per_second=150.0), {LATE: 5, "forecast": 5}, {"asked_twice_capacity"}),
        (weathered({(200, ""): 9, (503, ""): 1}), {LATE: 5, "forecast": 5}, {"none_refused"}),
        (weathered({(200, ""): 9}), {LATE: 5, "forecast": 4}, {"late_ones_counted"}),
        (weathered({(200, ""): 9}), {"forecast": 10}, {"late_ones_counted"}),
    ],
)
def test_an_extender_answers_all_and_counts_the_late(
    found: Weathered, counted: dict[str, int], failing: set[str]
) -> None:
    claims = extender_claims(found, counted)
    assert {name for name, held in claims.items() if not held} == failing


@pytest.mark.parametrize(
    ("found", "counted", "failing"),
    [
        (weathered({(200, ""): 6, SHED_WITH: 3}), {"mutated": 7, "shed": 3}, set()),
        (weathered({(200, ""): 6, (429, ""): 3}), {"mutated": 7}, {"webhook_answers_or_sheds"}),
        (weathered({(200, ""): 6, SHED_WITH: 3}), {"mutated": 7, "shed": 2}, {"webhook_shed_counted"}),
        (weathered({(200, ""): 6, SHED_WITH: 3}), {"shed": 3}, {"webhook_patches_what_it_answers"}),
    ],
)
def test_a_webhook_answers_in_full_or_sheds_and_counts_both(
    found: Weathered, counted: dict[str, int], failing: set[str]
) -> None:
    claims = webhook_claims(found, counted)
    assert {name for name, held in claims.items() if not held} == failing
