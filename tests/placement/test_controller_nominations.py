"""The controller looks after nominations until their pods are bound: it finishes, clears and counts them."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from model import names
from model.errors import ConnectionFailed
from placement import controller as subject
from placement.deadlines import BINDING_WALL_SECONDS
from placement.ownership import LostReason
from tests.placement.desk import Desk, Document, counted, unschedulable


def lost() -> Counter[str]:
    """Nominations that came to nothing so far, by reason."""
    return Counter({reason.value: int(counted("stoker_nomination_lost_total", reason=reason)) for reason in LostReason})


async def test_a_nomination_that_a_former_leader_did_not_finish_is_finished(desk: Desk) -> None:
    desk.node("warm")
    desk.pod(nominated="warm", forecast_for="warm")
    async with desk.at_work():
        pod = await desk.opened()
    assert pod.status.nominated_node_name == "warm"
    assert desk.gates.calls == ["finish agent"]


@pytest.mark.parametrize("fate", ["gone", "cordoned", "not-ready"])
async def test_an_unfinished_nomination_whose_node_is_lost_is_cleared_and_the_gate_opened(
    desk: Desk, fate: str
) -> None:
    if fate != "gone":
        desk.node("warm", **({"unschedulable": True} if fate == "cordoned" else {"ready": "False"}))
    desk.pod(nominated="warm", forecast_for="warm")
    before = counted("stoker_nomination_lost_total", reason=f"node-{fate}")
    async with desk.at_work():
        pod = await desk.opened()
    assert pod.status.nominated_node_name == ""
    assert counted("stoker_nomination_lost_total", reason=f"node-{fate}") == before + 1


async def test_anothers_nomination_keeps_nobody_behind_our_gate_and_stays(desk: Desk) -> None:
    desk.node("warm")
    desk.pod(nominated="elsewhere")
    async with desk.at_work():
        pod = await desk.opened()
    assert pod.status.nominated_node_name == "elsewhere"
    assert desk.gates.calls == ["finish agent"]


@pytest.mark.parametrize("fate", ["gone", "cordoned"])
async def test_a_nomination_is_cleared_as_soon_as_its_node_is_lost(
    desk: Desk, fate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "LONGEST_PAUSE_WALL_SECONDS", 600.0)
    desk.node("warm")
    desk.pod()
    before = counted("stoker_nomination_lost_total", reason=f"node-{fate}")
    async with desk.at_work():
        await desk.opened()
        await desk.rounds()
        desk.remove_node("warm") if fate == "gone" else desk.node("warm", unschedulable=True)
        await desk.until(lambda: not desk.read().status.nominated_node_name)
        await desk.until(lambda: "NominationCleared" in desk.reasons())
    assert counted("stoker_nomination_lost_total", reason=f"node-{fate}") == before + 1


async def test_a_nomination_of_an_unschedulable_pod_is_cleared_and_counted_once(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    before = counted("stoker_nomination_lost_total", reason="no-longer-fits")
    async with desk.at_work():
        await desk.opened()
        desk.gates.failures = [ConnectionFailed("no answer")]
        desk.edit("agent", unschedulable)
        await desk.until(lambda: not desk.read().status.nominated_node_name)
        await desk.until(lambda: desk.reasons() == ["Nominated", "NominationCleared"])
    assert desk.gates.calls[2:] == ["clear agent", "clear agent"]
    assert counted("stoker_nomination_lost_total", reason="no-longer-fits") == before + 1


async def test_a_nomination_shortly_before_the_deadline_leaves_the_scheduler_its_time(desk: Desk) -> None:
    desk.settling_node("warm", seconds=9)
    desk.pod(age=50)
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        desk.now += 9.5
        assert (await desk.opened()).status.nominated_node_name == "warm"
        desk.now += BINDING_WALL_SECONDS - 1
        await desk.rounds(3)
        assert desk.read().status.nominated_node_name == "warm"
        desk.now += 2
        await desk.until(lambda: not desk.read().status.nominated_node_name)
        await desk.until(lambda: desk.reasons() == ["Held", "Nominated", "NominationCleared"])


async def test_a_burst_with_a_short_hold_is_not_cleared_while_the_scheduler_works_on_it(desk: Desk) -> None:
    desk.profile(maxHoldSeconds=2)
    desk.node("warm", cpu="100")
    for number in range(40):
        desk.pod(f"agent-{number}")
    async with desk.at_work():
        for number in range(40):
            await desk.opened(f"agent-{number}")
        desk.now += 20
        await desk.rounds(3)
    assert [pod.status.nominated_node_name for pod in desk.pods()] == ["warm"] * 40


async def test_a_new_leader_gives_the_scheduler_its_time_anew(desk: Desk) -> None:
    desk.node("warm")
    desk.pod(gates=(), nominated="warm", forecast_for="warm", age=3_600)
    async with desk.at_work():
        await desk.rounds(3)
        assert desk.gates.calls == []
        desk.now += BINDING_WALL_SECONDS
        await desk.until(lambda: desk.gates.calls == ["clear agent"])


async def test_a_nomination_behind_anothers_gate_reserves_its_node_no_longer_than_others(desk: Desk) -> None:
    desk.node("warm")
    desk.pod(gates=("example.com/late",), nominated="warm", forecast_for="warm")
    async with desk.at_work():
        await desk.rounds(3)
        desk.now += BINDING_WALL_SECONDS
        await desk.until(lambda: desk.gates.calls == ["clear agent"])
    assert [gate.name for gate in desk.read().spec.scheduling_gates] == ["example.com/late"]


async def test_what_we_clear_is_counted_once_and_by_the_reason_for_which_we_do(desk: Desk) -> None:
    desk.node("warm")
    desk.node("without-kata", handlers=("runc",))
    desk.pod("unbound", gates=(), nominated="warm", forecast_for="warm", age=3_600)
    desk.pod("half", nominated="without-kata", forecast_for="without-kata")
    before = lost()
    async with desk.at_work():
        assert (await desk.opened("half")).status.nominated_node_name == "warm"
        desk.bind("half", "warm")
        desk.now += BINDING_WALL_SECONDS
        await desk.until(lambda: not desk.read("unbound").status.nominated_node_name)
        await desk.rounds()
    assert lost() - before == Counter({"node-not-warm": 1, "not-bound": 1})


async def test_what_the_scheduler_clears_or_binds_elsewhere_is_counted_too(desk: Desk) -> None:
    desk.node("warm")
    desk.pod("cleared")
    desk.pod("astray")
    desk.pod("placed")
    reasons = ("no-longer-fits", "bound-elsewhere")
    before = [counted("stoker_nomination_lost_total", reason=reason) for reason in reasons]
    async with desk.at_work():
        for name in ("cleared", "astray", "placed"):
            await desk.opened(name)
        desk.edit("cleared", lambda document: document["status"].pop("nominatedNodeName"))
        desk.bind("astray", "elsewhere")
        desk.bind("placed", "warm")
    after = [counted("stoker_nomination_lost_total", reason=reason) for reason in reasons]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1]


def clear(document: Document) -> None:
    """As the scheduler does with what it cannot bind."""
    document["status"].pop("nominatedNodeName")
    unschedulable(document)


def is_told(desk: Desk) -> bool:
    return names.FORECAST_ANNOTATION in desk.read().metadata.annotations


async def test_the_forecast_goes_with_a_nomination_that_the_scheduler_clears_and_is_counted_once(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    before = lost()
    async with desk.at_work():
        await desk.opened()
        desk.edit("agent", clear)
        await desk.until(lambda: not is_told(desk))
        await desk.rounds()
    assert desk.gates.calls == ["nominate agent", "open agent", "disown agent"]
    assert lost() - before == Counter({"no-longer-fits": 1})


async def test_a_node_that_the_scheduler_names_after_it_cleared_ours_does_not_pass_for_ours(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    async with desk.at_work():
        await desk.opened()
        desk.edit("agent", clear)
        await desk.until(lambda: not is_told(desk))
        desk.edit("agent", lambda document: document["status"].update(nominatedNodeName="warm"))
        desk.now += 3_600
        await desk.rounds(3)
    assert desk.read().status.nominated_node_name == "warm"


async def test_a_forecast_that_could_not_be_taken_off_is_tried_again(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    async with desk.at_work():
        await desk.opened()
        desk.gates.failures = [ConnectionFailed("no answer")]
        desk.edit("agent", clear)
        await desk.until(lambda: not is_told(desk))


async def test_a_new_leader_takes_off_what_is_left_of_a_nomination(desk: Desk) -> None:
    desk.pod(gates=(), forecast_for="warm")
    async with desk.at_work():
        await desk.until(lambda: not is_told(desk))


async def test_the_forecast_stays_on_a_pod_that_is_bound_or_being_deleted(desk: Desk) -> None:
    desk.pod("bound", gates=(), forecast_for="warm", nodeName="elsewhere")
    desk.pod("going", gates=(), forecast_for="warm")
    desk.edit("going", lambda document: document["metadata"].update(deletionTimestamp="2026-03-03T10:00:00Z"))
    async with desk.at_work():
        await desk.rounds(3)
    assert desk.gates.calls == []


async def test_a_foreign_nomination_makes_no_change_of_the_fleet_urgent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "LONGEST_PAUSE_WALL_SECONDS", 600.0)
    monkeypatch.setattr(subject, "SHORTEST_PAUSE_WALL_SECONDS", 0.0)
    desk.pod("preempting", gates=(), nominated="elsewhere")
    async with desk.at_work():
        await desk.rounds(2)
        looked = counted("stoker_placement_round_seconds_count")
        for number in range(20):
            desk.node(f"node-{number}")
            await asyncio.sleep(0)
        assert counted("stoker_placement_round_seconds_count") == looked


async def test_a_nomination_by_the_schedulers_preemption_is_left_alone(desk: Desk) -> None:
    desk.pod(gates=(), nominated="warm")
    desk.edit("agent", unschedulable)
    async with desk.at_work():
        await desk.rounds(3)
    assert desk.gates.calls == []
