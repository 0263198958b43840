"""Which write goes first, and how many at once."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from model.errors import Conflict, ConnectionFailed
from placement import dispatch as subject
from placement.dispatch import WRITES_AT_ONCE
from tests.placement.outbox import Outbox, answer, pod, refuse


@pytest.fixture
async def outbox() -> Outbox:
    return Outbox()


async def test_a_release_does_not_wait_behind_nominations(outbox: Outbox) -> None:
    go_on = asyncio.Event()

    async def wait() -> str:
        await go_on.wait()
        return "v1"

    for number in range(WRITES_AT_ONCE + 1):
        outbox.send(pod(name=f"p{number}"), wait)
    outbox.send(pod(name="released"), answer, rank=None)
    async with asyncio.timeout(10):
        while outbox.done != ["released"]:  # noqa: ASYNC110 - the tasks go on by themselves
            await asyncio.sleep(0)
    go_on.set()
    await outbox.quiet()


async def test_nominations_are_written_by_their_rank_and_not_by_their_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "WRITES_AT_ONCE", 1)
    outbox, go_on = Outbox(), asyncio.Event()

    async def wait() -> str:
        await go_on.wait()
        return "v1"

    outbox.send(pod(name="begun"), wait, rank=(0.0, 90.0))
    await asyncio.sleep(0)
    for name, rank in {"late": (0.0, 60.0), "soon": (0.0, 30.0), "equal": (0.0, 30.0), "high": (-10.0, 90.0)}.items():
        outbox.send(pod(name=name), answer, rank=rank)
    go_on.set()
    await outbox.quiet()
    assert outbox.done == ["begun", "high", "soon", "equal", "late"]


@pytest.mark.parametrize("error", [None, Conflict("edited", status=409), ConnectionFailed("no answer")])
async def test_it_is_nominating_until_the_last_nomination_is_written_or_has_failed(
    outbox: Outbox, error: Exception | None
) -> None:
    outbox.send(pod(name="released"), answer, rank=None)
    assert not outbox.dispatch.is_nominating
    for number in range(WRITES_AT_ONCE + 1):
        outbox.send(pod(name=f"p{number}"), answer if error is None else partial(refuse, error))
    assert outbox.dispatch.is_nominating
    await outbox.quiet()
    assert not outbox.dispatch.is_nominating
    assert outbox.woken >= 1


async def test_no_gate_waits_behind_what_only_tells_something(outbox: Outbox) -> None:
    never = asyncio.Event()

    async def hang() -> str:
        await never.wait()
        return "v1"

    for number in range(2 * WRITES_AT_ONCE):
        outbox.note(pod(name=f"held{number}"), hang)
    outbox.send(pod("v0"), lambda: answer("v0"))
    async with asyncio.timeout(10):
        while not outbox.done:  # noqa: ASYNC110 - the task ends by itself
            await asyncio.sleep(0)
    assert outbox.done == ["p1"]
    never.set()


async def test_so_many_are_written_at_once_and_no_more(outbox: Outbox) -> None:
    most = running = 0
    go_on = asyncio.Event()

    async def count() -> str:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1
        return "v1"

    for number in range(WRITES_AT_ONCE + 20):
        outbox.send(pod(name=f"p{number}"), count)
    while running < WRITES_AT_ONCE:  # noqa: ASYNC110 - the tasks start by themselves
        await asyncio.sleep(0)
    go_on.set()
    await outbox.quiet()
    assert (most, len(outbox.done)) == (WRITES_AT_ONCE, WRITES_AT_ONCE + 20)


async def test_it_has_caught_up_when_the_last_write_has_a_slot_though_none_is_done(outbox: Outbox) -> None:
    slots = asyncio.Semaphore(0)

    async def wait() -> str:
        await slots.acquire()
        return "v1"

    for number in range(WRITES_AT_ONCE + 1):
        outbox.send(pod(name=f"p{number}"), wait)
    catching_up = asyncio.create_task(outbox.dispatch.caught_up())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not catching_up.done()
    slots.release()
    slots.release()
    async with asyncio.timeout(10):
        await catching_up
    assert len(outbox.done) == 2
    for _ in range(WRITES_AT_ONCE):
        slots.release()
    await outbox.quiet()


async def test_a_nomination_that_has_not_begun_can_be_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "WRITES_AT_ONCE", 1)
    outbox, go_on = Outbox(), asyncio.Event()

    async def wait() -> str:
        await go_on.wait()
        return "v1"

    outbox.send(pod(name="begun"), wait, node="warm")
    await asyncio.sleep(0)
    for name in ("taken-back", "left"):
        outbox.send(pod(name=name), answer, node="warm")
    assert [queued.metadata.name for queued in outbox.dispatch.queued] == ["taken-back", "left"]
    outbox.dispatch.take_back({"uid-begun", "uid-taken-back"})
    assert outbox.dispatch.nominated == {"uid-begun": "warm", "uid-left": "warm"}
    go_on.set()
    await outbox.quiet()
    assert outbox.done == ["begun", "left"]


async def test_it_is_nominating_no_more_when_the_last_nomination_was_taken_back(outbox: Outbox) -> None:
    outbox.send(pod(), answer)
    outbox.dispatch.take_back({"uid-p1"})
    assert not outbox.dispatch.is_nominating
    await outbox.quiet()
    assert (outbox.done, set(outbox.dispatch.pods)) == ([], set())


async def test_taking_back_what_a_pod_was_before_it_was_edited_leaves_what_was_sent_for_it_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "WRITES_AT_ONCE", 0)
    outbox = Outbox()
    outbox.send(pod("v0"), answer, node="warm")
    outbox.send(pod("v1"), answer, rank=None)
    outbox.dispatch.take_back({"uid-p1"})
    assert set(outbox.dispatch.pods) == {"uid-p1"}
