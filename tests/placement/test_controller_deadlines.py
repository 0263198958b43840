"""Deadlines hold while nominations queue, and while nobody leads."""

from __future__ import annotations

import pytest

from cluster import wire
from model.errors import ConnectionFailed
from placement import controller as subject
from placement.deadlines import OVERDUE_WALL_SECONDS
from placement.dispatch import RELEASES_AT_ONCE, WRITES_AT_ONCE
from placement.judge import Judge
from tests.placement.desk import Desk, counted

QUEUED = 10
HOLD_SECONDS = 60


@pytest.fixture
def stalled(desk: Desk) -> Desk:
    """The API server answers no second write of a nomination, and there are more pods than may be written at once."""
    desk.node("warm", cpu="200")
    desk.gates.may_go_on.clear()
    for number in range(WRITES_AT_ONCE + QUEUED):
        desk.pod(f"agent-{number}")
    return desk


async def all_begun(desk: Desk) -> None:
    await desk.until(lambda: len(desk.gates.calls) == WRITES_AT_ONCE)


async def test_a_pod_whose_nomination_still_queues_is_let_through_at_its_deadline(stalled: Desk) -> None:
    before = counted("stoker_placements_total", outcome="deadline")
    async with stalled.at_work():
        await all_begun(stalled)
        stalled.now += HOLD_SECONDS
        await stalled.until(lambda: len(stalled.gated()) == WRITES_AT_ONCE)
        assert counted("stoker_placements_total", outcome="deadline") == before + QUEUED
        stalled.gates.may_go_on.set()
        await stalled.until(lambda: not stalled.gated())
    nominated = [pod for pod in stalled.pods() if pod.status.nominated_node_name]
    assert len(nominated) == WRITES_AT_ONCE


async def test_the_deadline_of_a_queued_pod_is_not_slept_through(
    stalled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "LONGEST_PAUSE_WALL_SECONDS", 3_600.0)
    stalled.now += HOLD_SECONDS - 0.3  # the desk's clock stands still: the next round is due in 0.3 s of the wall's
    async with stalled.at_work():
        await all_begun(stalled)
        await stalled.rounds(2)
        stalled.now += 0.3
        await stalled.until(lambda: len(stalled.gated()) == WRITES_AT_ONCE)
        stalled.gates.may_go_on.set()


async def test_who_is_outranked_for_ever_is_let_through_at_its_deadline(desk: Desk) -> None:
    """Pods of higher priority keep coming, and the server is so slow that there is always one more of them."""
    desk.node("warm", cpu="200")
    desk.gates.may_go_on.clear()
    async with desk.at_work():
        for number in range(WRITES_AT_ONCE):
            desk.pod(f"begun-{number}", priority=10)
        await all_begun(desk)
        desk.pod("outranked")
        desk.now += HOLD_SECONDS / 2
        desk.pod("urgent", priority=10)
        await desk.rounds()
        desk.now += HOLD_SECONDS / 2
        assert (await desk.opened("outranked")).status.nominated_node_name == ""
        assert "urgent" in desk.gated()
        desk.gates.may_go_on.set()


@pytest.fixture
def leaderless(desk: Desk) -> Desk:
    desk.leader.leading = False
    desk.node("warm", cpu="200")
    return desk


async def looked(desk: Desk) -> None:
    """Until a replica that does not lead has looked at the deadlines of all that waits now."""
    desk.pod("sign", age=3_600)
    await desk.opened("sign")
    desk.gates.calls.remove("let-through sign")


async def test_a_replica_that_does_not_lead_opens_what_is_overdue_and_nothing_else(leaderless: Desk) -> None:
    leaderless.pod("overdue", age=HOLD_SECONDS + OVERDUE_WALL_SECONDS)
    leaderless.pod("due", age=HOLD_SECONDS + OVERDUE_WALL_SECONDS - 1)
    leaderless.pod("young")
    leaderless.pod("unfit", gates=(), nominated="gone", forecast_for="gone", age=3_600)
    before = counted("stoker_placements_total", outcome="deadline")
    async with leaderless.at_work():
        assert (await leaderless.opened("overdue")).status.nominated_node_name == ""
        await looked(leaderless)
        assert counted("stoker_placements_total", outcome="deadline") == before + 2
    assert leaderless.gates.calls == ["let-through overdue"]
    assert leaderless.gated() == ["due", "young"]
    assert "its deadline has come" in leaderless.events[0].message


async def test_a_replica_that_does_not_lead_tells_of_no_gated_pods(leaderless: Desk) -> None:
    leaderless.pod("young")
    async with leaderless.at_work():
        await looked(leaderless)
        assert counted("stoker_gated_pods", reason="undecided") == 0


async def test_a_half_finished_nomination_that_is_overdue_is_opened_without_it_by_whoever_is_there(
    leaderless: Desk,
) -> None:
    leaderless.pod(nominated="warm", forecast_for="warm", age=HOLD_SECONDS + OVERDUE_WALL_SECONDS)
    async with leaderless.at_work():
        pod = await leaderless.opened()
    assert pod.status.nominated_node_name == ""


async def test_overdue_gates_are_opened_though_nobody_leads_and_no_snapshot_is_whole(leaderless: Desk) -> None:
    leaderless.set_synced(False)
    leaderless.pod()
    async with leaderless.at_work():
        leaderless.now += HOLD_SECONDS + OVERDUE_WALL_SECONDS
        await leaderless.opened()


async def test_what_fails_for_a_replica_that_does_not_lead_is_tried_again(leaderless: Desk) -> None:
    leaderless.gates.failures = [ConnectionFailed("no answer")]
    leaderless.pod(age=HOLD_SECONDS + OVERDUE_WALL_SECONDS)
    async with leaderless.at_work():
        await leaderless.opened()
    assert leaderless.gates.calls == ["let-through agent"] * 2


async def test_a_nomination_that_still_queues_when_its_leader_is_deposed_keeps_no_gate_closed(stalled: Desk) -> None:
    async with stalled.at_work():
        await all_begun(stalled)
        stalled.leader.leading = False
        stalled.now += HOLD_SECONDS + OVERDUE_WALL_SECONDS
        await stalled.until(lambda: len(stalled.gated()) == WRITES_AT_ONCE)
        stalled.gates.may_go_on.set()


async def test_gates_whose_deadline_came_while_this_replica_led_are_opened_though_it_leads_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is deposed when the first of them is being written."""
    let_through = desk.gates.let_through

    async def deposing(pod: wire.Pod) -> str:
        desk.leader.leading = False
        return await let_through(pod)

    monkeypatch.setattr(desk.gates, "let_through", deposing)
    for number in range(RELEASES_AT_ONCE + QUEUED):
        desk.pod(f"agent-{number}", age=HOLD_SECONDS)
    async with desk.at_work():
        await desk.until(lambda: not desk.gated())
    assert not desk.leader.leading


async def test_a_leader_whose_rounds_fail_opens_what_is_overdue(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError("stumbled")

    monkeypatch.setattr(Judge, "verdicts", stumble)
    desk.pod()
    async with desk.at_work():
        desk.now += HOLD_SECONDS + OVERDUE_WALL_SECONDS
        await desk.opened()
