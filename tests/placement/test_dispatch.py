"""Writes under way: what they take up, when their pods are decided on again, and that none is forgotten."""

from __future__ import annotations

import asyncio

import pytest

from model.errors import Conflict, ConnectionFailed
from placement import dispatch as subject
from tests.placement.outbox import Outbox, answer, pod, refuse


@pytest.fixture
async def outbox() -> Outbox:
    return Outbox()


async def test_a_pod_is_under_way_until_it_is_seen_changed(outbox: Outbox) -> None:
    outbox.send(pod(), answer)
    await outbox.quiet()
    assert outbox.done == ["p1"]
    assert outbox.is_held(pod("v0"))
    assert not outbox.is_held(pod("v1"))


async def test_a_nomination_is_under_way_until_the_gate_is_seen_open_and_takes_up_its_node(outbox: Outbox) -> None:
    outbox.send(pod(), answer, node="warm")
    await outbox.quiet()
    assert outbox.is_held(pod("v1"))
    assert outbox.dispatch.nominated == {"uid-p1": "warm"}
    assert not outbox.is_held(pod("v2", gated=False))
    assert outbox.dispatch.nominated == {}


async def test_a_write_that_changed_nothing_is_over_at_once(outbox: Outbox) -> None:
    outbox.send(pod("v0"), lambda: answer("v0"))
    await outbox.quiet()
    assert not outbox.is_held(pod("v0"))
    assert outbox.woken >= 1


async def test_a_pod_that_waits_no_more_is_forgotten(outbox: Outbox) -> None:
    outbox.send(pod(), answer, node="warm")
    await outbox.quiet()
    outbox.dispatch.settle({})
    assert (set(outbox.dispatch.pods), outbox.dispatch.nominated) == (set(), {})


async def test_after_a_conflict_the_room_stays_taken_until_the_pods_next_state_is_seen(outbox: Outbox) -> None:
    outbox.send(pod("v0"), lambda: refuse(Conflict("edited", status=409)), node="warm")
    await outbox.quiet()
    assert outbox.is_held(pod("v0"))
    assert outbox.dispatch.nominated == {"uid-p1": "warm"}
    assert not outbox.is_held(pod("v1"))
    assert outbox.dispatch.nominated == {}
    assert outbox.done == []
    assert outbox.woken >= 1


async def test_who_leads_no_more_by_the_time_of_a_slot_writes_nothing(outbox: Outbox) -> None:
    outbox.may_write = False
    outbox.send(pod(), answer, node="warm")
    outbox.note(pod(name="p2"), answer)
    await outbox.quiet()
    assert (outbox.done, outbox.dispatch.nominated) == ([], {})


async def test_who_leads_no_more_still_writes_what_needs_no_leader(outbox: Outbox) -> None:
    outbox.may_write = False
    outbox.send(pod(), answer, rank=None, needs_lead=False)
    await outbox.quiet()
    assert outbox.done == ["p1"]


async def test_at_the_end_only_what_has_begun_is_finished(outbox: Outbox) -> None:
    outbox.send(pod(), answer)
    await outbox.dispatch.finish()
    assert (outbox.done, set(outbox.dispatch.pods)) == ([], set())


async def test_a_note_that_fails_says_so_and_keeps_its_pod_free(outbox: Outbox) -> None:
    outbox.note(pod(), lambda: refuse(Conflict("edited", status=409)))
    assert not outbox.is_held(pod())
    await outbox.quiet()
    assert outbox.failed == ["p1"]


@pytest.mark.parametrize("error", [Conflict("edited", status=409), ConnectionFailed("no answer"), ValueError("odd")])
async def test_whatever_fails_is_decided_on_again_after_a_while(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(subject, "RETRY_WALL_SECONDS", 0.0)
    outbox.send(pod(), lambda: refuse(error))
    async with asyncio.timeout(10):
        while outbox.is_held(pod()):  # noqa: ASYNC110 - a timer of the loop ends it
            await asyncio.sleep(0.001)
    assert outbox.woken >= 1


async def test_a_late_retry_does_not_end_a_newer_write(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "RETRY_WALL_SECONDS", 0.02)
    never = asyncio.Event()

    async def hang() -> str:
        await never.wait()
        return "v2"

    outbox.send(pod("v0"), lambda: refuse(Conflict("edited", status=409)))
    await outbox.quiet()
    outbox.send(pod("v1"), hang, node="warm")
    await asyncio.sleep(0.03)  # the time of the first one's retry has come
    assert outbox.dispatch.nominated == {"uid-p1": "warm"}
    never.set()
    await outbox.quiet()


async def test_the_end_does_not_wait_for_ever(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "FINISH_WALL_SECONDS", 0.01)
    never = asyncio.Event()

    async def hang() -> str:
        await never.wait()
        return "v1"

    outbox.send(pod(), hang)
    await outbox.dispatch.finish()
    assert outbox.done == []
    never.set()
    await outbox.dispatch.finish()
