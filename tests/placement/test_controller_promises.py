"""Room that is promised and not written yet: nobody gets it twice, and who finds none waits a moment for the writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from placement.dispatch import WRITES_AT_ONCE
from placement.judge import PROMISE_WALL_SECONDS
from tests.placement.desk import Desk, counted


@asynccontextmanager
async def promising(desk: Desk) -> AsyncIterator[None]:
    """A controller at work that is writing a pod's nomination to the only node, which then has room for no other; it is
    through with that at the end of the block, unless the gates may go on before.
    """
    desk.node("warm", cpu="1500m")
    desk.gates.may_go_on.clear()
    async with desk.at_work():
        desk.pod("promised")
        await desk.until(lambda: bool(desk.gates.calls))
        yield
        desk.gates.may_go_on.set()


async def test_two_pods_that_fit_only_once_are_not_both_nominated(desk: Desk) -> None:
    desk.node("warm", cpu="1500m")
    desk.pod("one")
    desk.pod("two")
    async with desk.at_work():
        pods = [await desk.opened(name) for name in ("one", "two")]
    assert sorted(pod.status.nominated_node_name for pod in pods) == ["", "warm"]


async def test_what_is_let_through_does_not_queue_behind_nominations(desk: Desk) -> None:
    desk.node("warm", cpu="200")
    for number in range(WRITES_AT_ONCE + 10):
        desk.pod(f"fits-{number}", cpu="1")
    desk.gates.may_go_on.clear()
    async with desk.at_work():
        await desk.until(lambda: len(desk.gates.calls) == WRITES_AT_ONCE)
        desk.pod("too-large", cpu="500")
        desk.now += PROMISE_WALL_SECONDS
        pod = await desk.opened("too-large")
        desk.gates.may_go_on.set()
    assert pod.status.nominated_node_name == ""


async def test_who_finds_no_room_waits_until_the_nominations_that_took_it_are_written(desk: Desk) -> None:
    async with promising(desk):
        desk.pod("too-many")
        await desk.rounds(3)
        assert counted("stoker_gated_pods", reason="undecided") == 1
        desk.gates.may_go_on.set()
        await desk.opened("too-many")
    assert desk.gates.calls == ["nominate promised", "open promised", "let-through too-many"]


async def test_who_finds_no_room_in_the_same_round_waits_as_well(desk: Desk) -> None:
    desk.node("warm", cpu="1500m")
    desk.pod("one")
    desk.pod("two")
    async with desk.at_work():
        for name in ("one", "two"):
            await desk.opened(name)
    assert [call.split()[0] for call in desk.gates.calls] == ["nominate", "open", "let-through"]


async def test_who_finds_no_room_waits_for_half_a_second_at_most(desk: Desk) -> None:
    async with promising(desk):
        desk.pod("too-many")
        desk.now += PROMISE_WALL_SECONDS
        await desk.opened("too-many")


@pytest.mark.parametrize(
    "members",
    [
        {"age": 61.0},
        {"nodeSelector": {"disk": "none-has-it"}},
        {"resourceClaims": [{"name": "gpu"}]},
        {"runtimeClassName": "kata-remote"},
    ],
)
async def test_who_is_let_through_for_another_reason_waits_for_no_nomination(
    desk: Desk, members: dict[str, Any]
) -> None:
    async with promising(desk):
        desk.pod("another", **members)
        await desk.opened("another")


async def test_nominations_go_out_by_priority_and_then_by_deadline(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placement.dispatch.WRITES_AT_ONCE", 1)
    desk.node("warm", cpu="100")
    desk.pod("young")
    desk.pod("old", age=30)
    desk.pod("high", priority=10)
    async with desk.at_work():
        for name in ("young", "old", "high"):
            await desk.opened(name)
    assert [call for call in desk.gates.calls if call.startswith("nominate")] == [
        "nominate high",
        "nominate old",
        "nominate young",
    ]


async def test_a_node_is_full_with_a_pod_whose_nomination_is_not_seen_yet(desk: Desk) -> None:
    desk.node("warm", cpu="1500m")
    desk.pod("one")
    async with desk.at_work():
        desk.is_delivering = False
        await desk.opened("one")
        desk.is_delivering = True  # but for what was written before
        desk.pod("two")
        assert (await desk.opened("two")).status.nominated_node_name == ""


async def test_a_node_is_full_with_a_pod_that_is_bound(desk: Desk) -> None:
    desk.node("warm", cpu="1500m")
    desk.pod("one")
    async with desk.at_work():
        await desk.opened("one")
        desk.bind("one", "warm")
        desk.pod("two")
        assert (await desk.opened("two")).status.nominated_node_name == ""
        desk.delete("one")
        desk.pod("three")
        assert (await desk.opened("three")).status.nominated_node_name == "warm"
