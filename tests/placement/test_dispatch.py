"""Writes under way: what they take up, when their pods are decided on again, and that none is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from cluster import wire
from model import names
from model.errors import Conflict, ConnectionFailed
from placement import dispatch as subject
from placement.dispatch import WRITES_AT_ONCE, Dispatch, Write
from tests.cluster.objects import pod as unversioned


def pod(version: str = "v0", *, gated: bool = True, name: str = "p1") -> wire.Pod:
    spec = {"schedulingGates": [{"name": names.WARM_NODE_GATE}]} if gated else {}
    made = unversioned(name, spec=spec)
    made.metadata.resource_version = version
    return made


class Desk:
    """A dispatch, how often it woke its controller, and the writes that worked."""

    def __init__(self) -> None:
        self.woken = 0
        self.done: list[str] = []
        self.failed: list[str] = []
        self.may_write = True
        self.dispatch = Dispatch(self._wake, lambda: self.may_write)

    def send(
        self, sent: wire.Pod, work: Callable[[], Awaitable[str]], node: str = "", *, is_release: bool = False
    ) -> None:
        done = partial(self.done.append, sent.metadata.name)
        self.dispatch.send(Write(sent, work, "test", done, node, is_release))

    def note(self, sent: wire.Pod, work: Callable[[], Awaitable[str]]) -> None:
        write = Write(sent, work, "test", lambda: self.done.append(sent.metadata.name))
        self.dispatch.note(write, lambda: self.failed.append(sent.metadata.name))

    def is_held(self, seen: wire.Pod) -> bool:
        """Whether the pod, as the watch shows it now, is still not to be decided on."""
        self.dispatch.settle({seen.metadata.uid: seen})
        return self.dispatch.holds(seen)

    async def quiet(self) -> None:
        """Until nothing is being written."""
        async with asyncio.timeout(10):
            while self.dispatch.is_writing:  # noqa: ASYNC110 - the tasks end by themselves
                await asyncio.sleep(0)

    def _wake(self) -> None:
        self.woken += 1


async def answer(version: str = "v1") -> str:
    return version


async def refuse(error: Exception) -> str:
    raise error


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_pod_is_under_way_until_it_is_seen_changed(desk: Desk) -> None:
    desk.send(pod(), answer)
    await desk.quiet()
    assert desk.done == ["p1"]
    assert desk.is_held(pod("v0"))
    assert not desk.is_held(pod("v1"))


async def test_a_nomination_is_under_way_until_the_gate_is_seen_open_and_takes_up_its_node(desk: Desk) -> None:
    desk.send(pod(), answer, node="warm")
    await desk.quiet()
    assert desk.is_held(pod("v1"))
    assert desk.dispatch.nominated == {"uid-p1": "warm"}
    assert not desk.is_held(pod("v2", gated=False))
    assert desk.dispatch.nominated == {}


async def test_a_write_that_changed_nothing_is_over_at_once(desk: Desk) -> None:
    desk.send(pod("v0"), lambda: answer("v0"))
    await desk.quiet()
    assert not desk.is_held(pod("v0"))
    assert desk.woken == 1


async def test_a_pod_that_waits_no_more_is_forgotten(desk: Desk) -> None:
    desk.send(pod(), answer, node="warm")
    await desk.quiet()
    desk.dispatch.settle({})
    assert (set(desk.dispatch.pods), desk.dispatch.nominated) == (set(), {})


async def test_after_a_conflict_the_room_stays_taken_until_the_pods_next_state_is_seen(desk: Desk) -> None:
    desk.send(pod("v0"), lambda: refuse(Conflict("edited", status=409)), node="warm")
    await desk.quiet()
    assert desk.is_held(pod("v0"))
    assert desk.dispatch.nominated == {"uid-p1": "warm"}
    assert not desk.is_held(pod("v1"))
    assert desk.dispatch.nominated == {}
    assert (desk.done, desk.woken) == ([], 1)


async def test_who_leads_no_more_by_the_time_of_a_slot_writes_nothing(desk: Desk) -> None:
    desk.may_write = False
    desk.send(pod(), answer, node="warm")
    desk.note(pod(name="p2"), answer)
    await desk.quiet()
    assert (desk.done, desk.dispatch.nominated) == ([], {})


async def test_at_the_end_only_what_has_begun_is_finished(desk: Desk) -> None:
    desk.send(pod(), answer)
    await desk.dispatch.finish()
    assert (desk.done, set(desk.dispatch.pods)) == ([], set())


async def test_a_release_does_not_wait_behind_nominations(desk: Desk) -> None:
    go_on = asyncio.Event()

    async def wait() -> str:
        await go_on.wait()
        return "v1"

    for number in range(WRITES_AT_ONCE + 1):
        desk.send(pod(name=f"p{number}"), wait)
    desk.send(pod(name="released"), answer, is_release=True)
    async with asyncio.timeout(10):
        while desk.done != ["released"]:  # noqa: ASYNC110 - the tasks go on by themselves
            await asyncio.sleep(0)
    go_on.set()
    await desk.quiet()


async def test_no_gate_waits_behind_what_only_tells_something(desk: Desk) -> None:
    never = asyncio.Event()

    async def hang() -> str:
        await never.wait()
        return "v1"

    for number in range(2 * WRITES_AT_ONCE):
        desk.note(pod(name=f"held{number}"), hang)
    desk.send(pod("v0"), lambda: answer("v0"))
    async with asyncio.timeout(10):
        while not desk.done:  # noqa: ASYNC110 - the task ends by itself
            await asyncio.sleep(0)
    assert desk.done == ["p1"]
    never.set()


async def test_a_note_that_fails_says_so_and_keeps_its_pod_free(desk: Desk) -> None:
    desk.note(pod(), lambda: refuse(Conflict("edited", status=409)))
    assert not desk.is_held(pod())
    await desk.quiet()
    assert desk.failed == ["p1"]


@pytest.mark.parametrize("error", [Conflict("edited", status=409), ConnectionFailed("no answer"), ValueError("odd")])
async def test_whatever_fails_is_decided_on_again_after_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(subject, "RETRY_WALL_SECONDS", 0.0)
    desk.send(pod(), lambda: refuse(error))
    async with asyncio.timeout(10):
        while desk.is_held(pod()):  # noqa: ASYNC110 - a timer of the loop ends it
            await asyncio.sleep(0.001)
    assert desk.woken >= 1


async def test_a_late_retry_does_not_end_a_newer_write(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "RETRY_WALL_SECONDS", 0.02)
    never = asyncio.Event()

    async def hang() -> str:
        await never.wait()
        return "v2"

    desk.send(pod("v0"), lambda: refuse(Conflict("edited", status=409)))
    await desk.quiet()
    desk.send(pod("v1"), hang, node="warm")
    await asyncio.sleep(0.03)  # the time of the first one's retry has come
    assert desk.dispatch.nominated == {"uid-p1": "warm"}
    never.set()
    await desk.quiet()


async def test_so_many_are_written_at_once_and_no_more(desk: Desk) -> None:
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
        desk.send(pod(name=f"p{number}"), count)
    while running < WRITES_AT_ONCE:  # noqa: ASYNC110 - the tasks start by themselves
        await asyncio.sleep(0)
    go_on.set()
    await desk.quiet()
    assert (most, len(desk.done)) == (WRITES_AT_ONCE, WRITES_AT_ONCE + 20)


async def test_it_has_caught_up_when_the_last_write_has_a_slot_though_none_is_done(desk: Desk) -> None:
    slots = asyncio.Semaphore(0)

    async def wait() -> str:
        await slots.acquire()
        return "v1"

    for number in range(WRITES_AT_ONCE + 1):
        desk.send(pod(name=f"p{number}"), wait)
    catching_up = asyncio.create_task(desk.dispatch.caught_up())
    for _ in range(100):
        await asyncio.sleep(0)
    assert not catching_up.done()
    slots.release()
    slots.release()
    async with asyncio.timeout(10):
        await catching_up
    assert len(desk.done) == 2
    for _ in range(WRITES_AT_ONCE):
        slots.release()
    await desk.quiet()


async def test_the_end_does_not_wait_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "FINISH_WALL_SECONDS", 0.01)
    never = asyncio.Event()

    async def hang() -> str:
        await never.wait()
        return "v1"

    desk.send(pod(), hang)
    await desk.dispatch.finish()
    assert desk.done == []
    never.set()
    await desk.dispatch.finish()
