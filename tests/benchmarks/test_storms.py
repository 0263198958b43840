"""Requests at their times, and what overload has to show."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

import pytest
from aiohttp import web

from benchmarks.load import NUMBER
from benchmarks.overload import LATE, SHED_WITH, Weathered, extender_claims, webhook_claims
from benchmarks.storms import Asker, Reply, Storm, recovery, storm
from model.errors import LabError

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def asking(handler: Handler, body: bytes = b"{}") -> AsyncIterator[Asker]:
    app = web.Application()
    app.router.add_post("/ask", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with Asker.start(f"http://127.0.0.1:{port}/ask", body) as asker:
            yield asker
    finally:
        await runner.cleanup()


async def shed(_: web.Request) -> web.Response:
    return web.Response(status=429, text="later", headers={"Retry-After": "1"})


async def test_status_and_retry_after_of_an_answer_are_told() -> None:
    async with asking(shed) as asker:
        await asker.connect(1)
        reply = await asker.ask()
    assert (reply.status, reply.retry_after) == (429, "1")
    assert asker.answers == {(429, "1"): 2}


async def test_requests_carry_numbers_of_their_own_over_one_connection() -> None:
    seen: list[str] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(await request.text())
        return web.Response(body=b"x" * 200_000)

    async with asking(note, NUMBER.encode()) as asker:
        await asker.connect(1)
        for _ in range(2):
            await asker.ask()
    assert seen == ["1", "2", "3"]


async def test_a_connection_that_an_answer_ends_is_replaced() -> None:
    async def end(_: web.Request) -> web.Response:
        response = web.Response(status=503)
        response.force_close()
        return response

    async with asking(end) as asker:
        await asker.connect(1)
        assert [(await asker.ask()).status for _ in range(3)] == [503, 503, 503]


async def test_a_connection_that_ends_without_an_answer_fails_the_bench() -> None:
    async def vanish(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with asking(vanish) as asker:
        with pytest.raises(LabError, match="before the answer"):
            await asker.connect(1)


async def test_what_waits_for_others_before_it_is_late_from_when_it_was_due() -> None:
    """One at a time, each for longer than the requests are apart: the last has waited for all."""
    turn, per_second, pause = asyncio.Lock(), 200.0, 0.02

    async def ask() -> Reply:
        async with turn:
            sent = perf_counter()
            await asyncio.sleep(pause)
            return Reply(200, "", sent)

    found = await storm(ask, per_second, 0.05)
    assert found.count(200) == 10
    assert found.seconds[-1] >= 10 * pause - 9 / per_second


async def test_a_refusal_is_no_recovery_however_fast_it_comes() -> None:
    replies = iter([Reply(429, "1", 0.0), Reply(503, "", 0.0), Reply(200, "", 0.0)])

    async def ask() -> Reply:
        return next(replies)

    await recovery(ask, 10.0, 10.0)
    assert next(replies, None) is None


def weathered(answers: dict[tuple[int, str], int], per_second: float = 200.0) -> Weathered:
    found = Storm((0.1,) * sum(answers.values()), Counter(answers), per_second)
    return Weathered(100.0, 0.01, found, 0.0)


@pytest.mark.parametrize(
    ("found", "counted", "failing"),
    [
        (weathered({(200, ""): 9}), {LATE: 5, "forecast": 4}, set()),
        (weathered({(200, ""): 9}, per_second=150.0), {LATE: 5, "forecast": 4}, {"asked_twice_capacity"}),
        (weathered({(200, ""): 9, (503, ""): 1}), {LATE: 5, "forecast": 4}, {"none_refused"}),
        (weathered({(200, ""): 9}), {LATE: 4, "forecast": 4}, {"late_ones_counted"}),
        (weathered({(200, ""): 9}), {"forecast": 9}, {"late_ones_counted"}),
    ],
)
def test_an_extender_answers_all_and_counts_the_late(
    found: Weathered, counted: dict[str, int], failing: set[str]
) -> None:
    claims = extender_claims(found, counted, found.storm.answers)
    assert {name for name, held in claims.items() if not held} == failing


@pytest.mark.parametrize(
    ("found", "counted", "failing"),
    [
        (weathered({(200, ""): 6, SHED_WITH: 3}), {"mutated": 6, "shed": 3}, set()),
        (weathered({(200, ""): 6, (429, ""): 3}), {"mutated": 6}, {"webhook_answers_or_sheds"}),
        (weathered({(200, ""): 6, SHED_WITH: 3}), {"mutated": 6, "shed": 2}, {"webhook_shed_counted"}),
        (weathered({(200, ""): 6, SHED_WITH: 3}), {"shed": 3}, {"webhook_patches_what_it_answers"}),
    ],
)
def test_a_webhook_answers_in_full_or_sheds_and_counts_both(
    found: Weathered, counted: dict[str, int], failing: set[str]
) -> None:
    claims = webhook_claims(found, counted, found.storm.answers)
    assert {name for name, held in claims.items() if not held} == failing
