"""A scheduler that preempts for a pod on the node that we had named: from then on the nomination is its own."""

from __future__ import annotations

from typing import Any

import pytest

from cluster import wire
from cluster.waiting import is_unschedulable
from lab.processes import Process
from model import names
from placement.judge import PREEMPTION_WALL_SECONDS
from tests.placement.desk import Desk, Document, counted, unschedulable
from tests.placement.yard import Yard


def leave(document: Document) -> None:
    document["metadata"]["deletionTimestamp"] = "2026-03-03T10:00:00Z"


def is_told(pod: wire.Pod) -> bool:
    return bool(pod.metadata.annotations.get(names.FORECAST_ANNOTATION))


def stage(desk: Desk, **members: Any) -> None:
    """A pod that we nominated and that the scheduler refuses, on a node full of a pod of lower priority."""
    desk.node("warm", cpu="1")
    desk.pod("victim", gates=(), nodeName="warm")
    desk.pod(gates=(), nominated="warm", forecast_for="warm", priority=1_000, **members)
    desk.edit("agent", unschedulable)


async def test_a_nomination_that_the_scheduler_makes_its_own_outlives_its_victims(desk: Desk) -> None:
    before = counted("stoker_nomination_lost_total", reason="no-longer-fits")
    stage(desk)
    desk.edit("victim", leave)
    async with desk.at_work():
        await desk.until(lambda: not is_told(desk.read()))
        desk.delete("victim")
        desk.now += 3_600
        await desk.rounds(3)
    assert desk.gates.calls == ["disown agent"]
    assert desk.read().status.nominated_node_name == "warm"
    assert counted("stoker_nomination_lost_total", reason="no-longer-fits") == before + 1


async def test_victims_that_are_not_leaving_yet_are_waited_for_but_not_for_long(desk: Desk) -> None:
    stage(desk)
    async with desk.at_work():
        await desk.rounds(3)
        assert desk.gates.calls == []
        desk.now += PREEMPTION_WALL_SECONDS
        await desk.until(lambda: desk.gates.calls == ["clear agent"])


async def test_what_never_preempts_is_cleared_at_once_whoever_leaves_its_node(desk: Desk) -> None:
    stage(desk, preemptionPolicy="Never")
    desk.edit("victim", leave)
    async with desk.at_work():
        await desk.until(lambda: desk.gates.calls == ["clear agent"])


async def test_a_pod_of_equal_priority_is_no_victim(desk: Desk) -> None:
    stage(desk)
    desk.edit("victim", lambda document: document["spec"].update(priority=1_000))
    async with desk.at_work():
        await desk.until(lambda: desk.gates.calls == ["clear agent"])


async def test_a_preemption_for_a_pod_that_was_held_for_the_node_and_opened_by_hand_is_the_schedulers(
    desk: Desk,
) -> None:
    desk.settling_node("warm", seconds=10)
    desk.pod(priority=1_000)
    desk.pod("victim", gates=(), nodeName="warm", cpu="100m")
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        desk.edit("agent", lambda document: document["spec"].update(schedulingGates=[]))
        desk.edit("victim", leave)
        desk.edit("agent", lambda document: document["status"].update(nominatedNodeName="warm"))
        desk.edit("agent", unschedulable)
        await desk.until(lambda: not is_told(desk.read()))
        desk.delete("victim")
        await desk.rounds(3)
    assert desk.read().status.nominated_node_name == "warm"


@pytest.mark.controlplane
async def test_the_schedulers_reservation_stands_until_it_binds_the_pod(yard: Yard, scheduler: Process) -> None:
    """Between our nomination and the scheduler's turn, somebody else's pod has taken the node."""
    warm = await yard.node("warm", cpu="1")
    low, high = await yard.priority(10), await yard.priority(1_000)
    await scheduler.stop()
    try:
        async with yard.controller():
            await yard.pod(priorityClassName=high)
            assert (await yard.opened()).status.nominated_node_name == warm
            lasting: Document = {"terminationGracePeriodSeconds": 3_600, "nodeName": warm, "priorityClassName": low}
            await yard.pod("victim", gates=(), **lasting)
            await scheduler.start()
            pod = await yard.seen("agent", lambda pod: is_unschedulable(pod) and not is_told(pod))
            assert pod.status.nominated_node_name == warm
            await yard.client.delete(f"{yard.pods}/victim", {"gracePeriodSeconds": 0})
            assert await yard.bound() == warm
    finally:
        if not scheduler.running:
            await scheduler.start()
    opened = [state for state in yard.states() if not state.spec.scheduling_gates and not state.spec.node_name]
    assert {state.status.nominated_node_name for state in opened} == {warm}
