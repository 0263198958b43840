"""A trouble is told once, now and then while it lasts, and when it is over; and nothing else is hidden by it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from cluster.troubles import REPEAT_SECONDS, Troubles
from model.errors import ApiError, ConnectionFailed
from tests.cluster.scripted import bookmark, following, listed, refusal, stream

AWAY = ConnectionFailed("no answer")
FORBIDDEN = ApiError("403 forbidden", status=403)
BUSY = ApiError("429 busy", status=429)


@pytest.fixture(autouse=True)
def from_information_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was told since it was last asked for."""
    lines = [record.getMessage() for record in caplog.records if record.name == "cluster.troubles"]
    caplog.clear()
    return lines


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_unreachable_server_is_told_once_whoever_finds_it_out(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for who in ("nodes", "pods", "nodes"):
        troubles.failed(who, AWAY)
    assert told(caplog) == ["nodes: no answer"]


def test_what_lasts_is_told_again_with_how_long_and_how_many(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    troubles = Troubles(clock=clock)
    for who in ("nodes", "pods", "leases"):
        troubles.failed(who, AWAY)
    told(caplog)
    clock.now = REPEAT_SECONDS - 1
    troubles.failed("pods", AWAY)
    assert told(caplog) == []
    clock.now = REPEAT_SECONDS
    troubles.failed("pods", AWAY)
    troubles.failed("nodes", AWAY)
    assert told(caplog) == ["pods and 2 more: for 60 s now, no answer"]


def test_the_end_is_told_when_it_is_over_for_all(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    troubles = Troubles(clock=clock)
    for who in ("nodes", "pods"):
        troubles.failed(who, AWAY)
    told(caplog)
    clock.now = 31.0
    troubles.over("nodes")
    assert told(caplog) == []
    troubles.over("pods")
    assert told(caplog) == ["pods and 1 more: reached again after 31 s"]
    troubles.over("pods")
    assert told(caplog) == []


def test_a_trouble_that_comes_back_is_told_anew(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.failed("nodes", AWAY)
    troubles.over("nodes")
    told(caplog)
    troubles.failed("nodes", AWAY)
    assert told(caplog) == ["nodes: no answer"]


def test_each_refusal_is_told_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.failed("leases", FORBIDDEN)
    troubles.failed("nodes", AWAY)
    troubles.failed("events", FORBIDDEN)
    troubles.failed("events", FORBIDDEN)
    assert told(caplog) == ["leases: 403 forbidden", "nodes: no answer", "events: 403 forbidden"]


def test_who_is_refused_has_reached_the_server(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.failed("nodes", AWAY)
    troubles.failed("nodes", BUSY)
    assert told(caplog) == ["nodes: no answer", "nodes: reached again after 0 s", "nodes: 429 busy"]


def test_a_refusal_is_over_when_it_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.failed("nodes", BUSY)
    troubles.over("nodes")
    assert told(caplog) == ["nodes: 429 busy", "nodes: accepted again after 0 s"]


def test_the_lines_that_are_not_told_are_there_for_whoever_debugs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "cluster.troubles")
    troubles = Troubles()
    troubles.failed("nodes", AWAY)
    troubles.failed("pods", AWAY)
    assert told(caplog) == ["nodes: no answer", "pods: no answer"]


async def test_a_reflector_tells_of_its_first_failure_and_of_its_recovery(caplog: pytest.LogCaptureFixture) -> None:
    async with following(*(refusal(503) for _ in range(5)), listed(5, "a")) as state:
        await state.until(lambda: state.names == ["a"])
        await state.until(lambda: "accepted again" in caplog.text)
    first, last = told(caplog)
    assert first.startswith("watch of scripted: GET ")
    assert last == "watch of scripted: accepted again after 0 s"


async def test_a_recovery_is_dated_by_the_watch_that_was_resumed_and_told_when_that_brings_something(
    caplog: pytest.LogCaptureFixture,
) -> None:
    something = asyncio.Event()
    async with following(listed(5, "a", then="end"), refusal(503), stream(something, bookmark(6))) as state:
        await state.asked(3)
        state.now += 31.0
        await state.until_resumed()
        quiet_since, state.now = state.now, state.now + 60.0
        something.set()
        await state.until(lambda: "accepted again" in caplog.text)
        seconds = float(told(caplog)[-1].split()[-2])
        assert seconds < quiet_since - 1_000.0
