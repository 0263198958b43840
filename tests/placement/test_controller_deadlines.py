"""Deadlines hold while nominations queue."""

from __future__ import annotations

import pytest

from placement import controller as subject
from placement.dispatch import WRITES_AT_ONCE
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
