"""Writes under way: what they take up, when their pods are decided on again, and that none is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

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
        self.dispatch = Dispatch(self._wake)

    def send(self, sent: wire.Pod, work: Callable[[], Awaitable[str]], node: str = "") -> None:
        self.dispatch.send(Write(sent, work, "test", lambda: self.done.append(sent.metadata.name), node))

    def is_held(self, seen: wire.Pod) -> bool:
        """Whether the pod, as the watch shows it now, is still not to be decided on."""
        self.dispatch.settle({seen.metadata.uid: seen})
        return self.dispatch.holds(seen)

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
    await desk.dispatch.finish()
    assert desk.done == ["p1"]
    assert desk.is_held(pod("v0"))
    assert not desk.is_held(pod("v1"))


async def test_a_nomination_is_under_way_until_the_gate_is_seen_open_and_takes_up_its_node(desk: Desk) -> None:
    desk.send(pod(), answer, node="warm")
    await desk.dispatch.finish()
    assert desk.is_held(pod("v1"))
    assert desk.dispatch.nominated == {"uid-p1": "warm"}
    assert not desk.is_held(pod("v2", gated=False))
    assert desk.dispatch.nominated == {}


async def test_a_write_that_changed_nothing_is_over_at_once(desk: Desk) -> None:
    desk.send(pod("v0"), lambda: answer("v0"))
    await desk.dispatch.finish()
    assert not desk.is_held(pod("v0"))
    assert desk.woken == 1


async def test_a_pod_that_waits_no_more_is_forgotten(desk: Desk) -> None:
    desk.send(pod(), answer, node="warm")
    await desk.dispatch.finish()
    desk.dispatch.settle({})
    assert (set(desk.dispatch.pods), desk.dispatch.nominated) == (set(), {})


async def test_after_a_conflict_the_node_is_free_and_the_pods_next_state_is_decided_on(desk: Desk) -> None:
    desk.send(pod("v0"), lambda: refuse(Conflict("edited", status=409)), node="warm")
    await desk.dispatch.finish()
    assert desk.dispatch.nominated == {}
    assert desk.is_held(pod("v0"))
    assert not desk.is_held(pod("v1"))
    assert (desk.done, desk.woken) == ([], 1)


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
    await desk.dispatch.finish()
    desk.send(pod("v1"), hang, node="warm")
    await asyncio.sleep(0.03)  # the time of the first one's retry has come
    assert desk.dispatch.nominated == {"uid-p1": "warm"}
    never.set()
    await desk.dispatch.finish()


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
    await desk.dispatch.finish()
    assert (most, len(desk.done)) == (WRITES_AT_ONCE, WRITES_AT_ONCE + 20)


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
