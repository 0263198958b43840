"""All requests' bodies together have so much memory, and no more."""

from __future__ import annotations

import io

import pytest

from model.errors import InvalidRequest
from serving.apps import App
from serving.budget import FREE_BYTES, BodyBudget
from serving.messages import Answer, Request
from tests.serving.client import client_of


def request() -> Request:
    return Request("POST", "/", "127.0.0.1", 0.0)


def test_what_a_connection_may_hold_anyway_is_not_counted() -> None:
    budget = BodyBudget(limit_bytes=0)
    budget.hold(request(), FREE_BYTES)
    assert budget.held_bytes == 0


def test_what_grows_is_counted_once() -> None:
    budget, growing = BodyBudget(), request()
    for received in (FREE_BYTES + 10, FREE_BYTES + 30):
        budget.hold(growing, received)
    assert budget.held_bytes == 30


def test_what_is_too_much_for_all_is_refused_and_what_is_over_makes_room() -> None:
    budget, first, second = BodyBudget(limit_bytes=100), request(), request()
    budget.hold(first, FREE_BYTES + 80)
    with pytest.raises(InvalidRequest, match="ask again") as refusal:
        budget.hold(second, FREE_BYTES + 21)
    assert refusal.value.status == 503
    budget.release(first)
    budget.hold(second, FREE_BYTES + 100)
    budget.release(second)
    assert budget.held_bytes == 0


async def test_a_listener_counts_what_it_reads_and_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = BodyBudget(limit_bytes=1_000_000)
    monkeypatch.setattr("serving.reading.BODIES", budget)
    monkeypatch.setattr("serving.connections.BODIES", budget)
    held: list[int] = []

    def handle(_: Request) -> Answer:
        held.append(budget.held_bytes)
        return Answer()

    app = App("test")
    app.post("/", handle)
    headers = {"Content-Type": "application/json"}
    async with client_of(app) as client:
        fits = await client.post("/", data=io.BytesIO(b"x" * 1_000_000), headers=headers)
        too_much = await client.post("/", data=io.BytesIO(b"x" * 2_000_000), headers=headers)
    assert (fits.status, too_much.status) == (200, 503)
    assert (held, budget.held_bytes) == ([1_000_000 - FREE_BYTES], 0)
