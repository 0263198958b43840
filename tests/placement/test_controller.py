"""The controller's loop over a snapshot: what it writes, what it tells, and that nothing stays behind its gate."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from model import names
from model.errors import ApiError, Conflict, ConnectionFailed
from placement import controller as subject
from placement import metrics
from tests.placement.desk import Desk, Document, counted


@pytest.fixture
async def desk() -> Desk:
    """A profile and nothing else."""
    made = Desk()
    made.profile(maxHoldSeconds=60)
    return made


def forecast_on(desk: Desk, name: str = "agent") -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(desk.read(name).metadata.annotations[names.FORECAST_ANNOTATION])
    return told


def touch(document: Document) -> None:
    document["metadata"].setdefault("labels", {})["edited"] = "yes"


def unschedulable(document: Document) -> None:
    document["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]


async def test_a_pod_is_nominated_to_the_warm_node_and_told_so(desk: Desk) -> None:
    desk.node("warm")
    desk.node("without-kata", handlers=("runc",))
    desk.pod()
    async with desk.at_work():
        pod = await desk.opened()
        await desk.until(lambda: desk.reasons() == ["Nominated"])
    assert pod.status.nominated_node_name == "warm"
    assert forecast_on(desk)["node"] == "warm"
    assert desk.gates.calls == ["nominate agent", "open agent"]


async def test_a_pod_behind_anothers_gate_as_well_loses_ours_alone_and_reserves_no_node(desk: Desk) -> None:
    desk.node("warm")
    desk.pod(gates=("kueue.x-k8s.io/admission", names.WARM_NODE_GATE, "example.com/late"))
    async with desk.at_work():
        pod = await desk.opened()
        await desk.until(lambda: bool(desk.events))
    assert [gate.name for gate in pod.spec.scheduling_gates] == ["kueue.x-k8s.io/admission", "example.com/late"]
    assert pod.status.nominated_node_name == ""
    assert "another's gate" in desk.events[0].message


async def test_a_pod_that_no_node_can_take_is_let_through_without_a_nomination(desk: Desk) -> None:
    desk.node("small", cpu="500m")
    desk.pod(cpu="1")
    before = counted("stoker_placements_total", outcome="no-room")
    async with desk.at_work():
        pod = await desk.opened()
        await desk.until(lambda: desk.reasons() == ["GateOpened"])
    assert pod.status.nominated_node_name == ""
    assert counted("stoker_placements_total", outcome="no-room") == before + 1


async def test_a_pod_is_held_for_a_node_that_is_about_to_be_warm_and_then_nominated(desk: Desk) -> None:
    desk.settling_node(seconds=10)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        assert desk.read().status.nominated_node_name == ""
        assert forecast_on(desk)["node"] == "settling"
        assert "the gate opens in 60 s in any case" in desk.events[0].message
        desk.now += 12
        pod = await desk.opened()
        await desk.until(lambda: desk.reasons() == ["Held", "Nominated"])
    assert pod.status.nominated_node_name == "settling"


async def test_a_hold_is_counted_under_its_reason_until_the_gate_opens(desk: Desk) -> None:
    desk.settling_node(seconds=10)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: counted("stoker_gated_pods", reason="settling") == 1)
        assert counted("stoker_gated_pods", reason="on-their-way") == 0
        desk.now += 12
        await desk.opened()
        await desk.until(lambda: counted("stoker_gated_pods", reason="settling") == 0)
        desk.leader.leading = False
        desk.pod("another")
        await desk.until(lambda: counted("stoker_leading") == 0)
        assert [family.samples for family in metrics.GATED_PODS.collect()] == [[]]


async def test_a_held_pod_whose_node_gets_warm_early_is_nominated_then(desk: Desk) -> None:
    desk.settling_node("node", seconds=10)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        desk.node("node")
        assert (await desk.opened()).status.nominated_node_name == "node"


async def test_a_wait_is_told_once_though_the_fleet_keeps_changing(desk: Desk) -> None:
    desk.settling_node("node", seconds=10)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        for number in range(5):
            desk.node(f"other-{number}", handlers=("runc",))
            await desk.rounds()
        assert desk.reasons() == ["Held"]
        assert desk.gates.calls == ["annotate agent"]


async def test_another_node_to_wait_for_is_told_but_not_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("placement.notices.AGAIN_WALL_SECONDS", 0.2)
    desk.settling_node("first", seconds=20)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        desk.settling_node("second", seconds=5)
        await desk.rounds(1)
        assert len(desk.events) == 1
        await desk.until(lambda: len(desk.events) == 2)
        assert desk.events[1].message.startswith("waits for second")
        assert forecast_on(desk)["node"] == "second"


async def test_the_deadline_opens_the_gate_of_a_held_pod_without_a_nomination(desk: Desk) -> None:
    desk.profile(maxHoldSeconds=30, settleSeconds=40)
    desk.settling_node(seconds=6)  # 26 s with the longer window
    desk.pod(age=10)
    before = counted("stoker_placements_total", outcome="not-in-time")
    async with desk.at_work():
        pod = await desk.opened()
    assert pod.status.nominated_node_name == ""
    assert counted("stoker_placements_total", outcome="not-in-time") == before + 1


async def test_an_overdue_pod_is_let_through_although_a_node_is_about_to_be_warm(desk: Desk) -> None:
    desk.settling_node(seconds=10)
    desk.pod(age=61)
    async with desk.at_work():
        assert (await desk.opened()).status.nominated_node_name == ""
        await desk.until(lambda: "its deadline has come" in desk.events[-1].message)


async def test_what_a_pod_waited_for_is_taken_off_it_where_it_is_let_through(desk: Desk) -> None:
    desk.settling_node("node", seconds=10)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
        desk.remove_node("node")
        await desk.opened()
    assert desk.gates.calls[-1] == "let-through agent"


async def test_a_profile_that_holds_nothing_lets_through_at_once(desk: Desk) -> None:
    desk.profile(maxHoldSeconds=0)
    desk.node("warm")
    desk.pod()
    async with desk.at_work():
        assert (await desk.opened()).status.nominated_node_name == ""
        await desk.until(lambda: "maxHoldSeconds 0" in desk.events[-1].message)


@pytest.mark.parametrize("profile", ["gone", "NOT A NAME!", "", "x" * 300])
async def test_a_pod_of_no_known_profile_is_placed_by_the_default_priors(desk: Desk, profile: str) -> None:
    desk.node("warm")
    desk.pod(annotations={names.PROFILE_ANNOTATION: profile})
    async with desk.at_work():
        assert (await desk.opened()).status.nominated_node_name == "warm"


UNJUDGED: dict[str, dict[str, Any]] = {
    "volumes": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]},
    "pod affinity": {
        "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
    },
    "pod anti-affinity": {
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
    },
    "topology spread": {"topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]},
    "host ports": {"initContainers": [{"name": "proxy", "restartPolicy": "Always", "ports": [{"hostPort": 80}]}]},
    "resource claims": {"resourceClaims": [{"name": "gpu"}]},
    "quantity 'many'": {"overhead": {"cpu": "many"}},
}


@pytest.mark.parametrize("what", UNJUDGED)
async def test_what_only_the_scheduler_can_judge_lets_the_pod_through_with_the_reason(desk: Desk, what: str) -> None:
    desk.node("warm")
    desk.pod(**UNJUDGED[what])
    async with desk.at_work():
        assert (await desk.opened()).status.nominated_node_name == ""
        await desk.until(lambda: desk.reasons() == ["GateOpened"])
    assert what in desk.events[0].message


async def test_two_pods_that_fit_only_once_are_not_both_nominated(desk: Desk) -> None:
    desk.node("warm", cpu="1500m")
    desk.pod("one")
    desk.pod("two")
    async with desk.at_work():
        pods = [await desk.opened(name) for name in ("one", "two")]
    assert sorted(pod.status.nominated_node_name for pod in pods) == ["", "warm"]


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


async def test_a_pod_edited_meanwhile_is_decided_on_anew(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    desk.is_delivering = False
    desk.edit("agent", touch)  # the controller does not see it yet
    before = counted("stoker_placement_write_errors_total", kind="conflict")
    async with desk.at_work():
        await desk.until(lambda: counted("stoker_placement_write_errors_total", kind="conflict") == before + 1)
        desk.deliver()
        assert (await desk.opened()).status.nominated_node_name == "warm"
    assert desk.reasons() == ["Nominated"]


async def test_a_pod_edited_between_the_two_writes_is_finished(desk: Desk) -> None:
    desk.node("warm")
    desk.gates.stop_after_nomination = Conflict("edited in between", status=409)
    desk.pod()
    async with desk.at_work():
        pod = await desk.opened()
    assert pod.status.nominated_node_name == "warm"
    assert desk.gates.calls == ["nominate agent", "finish agent"]


async def test_a_nomination_that_is_seen_half_way_is_not_finished_a_second_time(desk: Desk) -> None:
    desk.node("warm")
    desk.gates.may_go_on.clear()
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: bool(desk.read().status.nominated_node_name))
        await desk.rounds(3)
        desk.gates.may_go_on.set()
        await desk.opened()
    assert desk.gates.calls == ["nominate agent", "open agent"]


async def test_a_pod_that_is_gone_meanwhile_is_left_alone(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    desk.is_delivering = False
    desk.delete("agent")
    async with desk.at_work():
        await desk.until(lambda: desk.gates.calls == ["nominate agent"])
        desk.deliver()
        await desk.rounds(3)
    assert desk.gates.calls == ["nominate agent"]
    assert desk.events == []


async def test_a_pod_that_was_bound_by_somebody_else_is_left_alone(desk: Desk) -> None:
    desk.node("warm")
    desk.pod(nodeName="elsewhere")
    desk.pod("going")
    desk.edit("going", lambda document: document["metadata"].update(deletionTimestamp="2026-03-03T10:00:00Z"))
    async with desk.at_work():
        await desk.rounds(3)
    assert desk.gates.calls == []


@pytest.mark.parametrize(
    "error", [ConnectionFailed("no answer"), ApiError("overloaded", status=429), RuntimeError("a mistake of ours")]
)
async def test_a_write_that_fails_is_tried_again_but_not_in_a_hot_loop(desk: Desk, error: Exception) -> None:
    desk.node("warm")
    desk.gates.failures = [error]
    desk.pod()
    before = counted("stoker_placements_total", outcome="nominated")
    async with desk.at_work():
        await desk.until(lambda: not desk.gates.failures)
        await desk.rounds(5)
        assert desk.gates.calls == ["nominate agent"]
        assert (await desk.opened()).status.nominated_node_name == "warm"
        await desk.until(lambda: desk.reasons() == ["Nominated"])
    assert counted("stoker_placements_total", outcome="nominated") == before + 1


async def test_a_conflict_without_news_from_the_watch_makes_no_hot_loop(desk: Desk) -> None:
    desk.node("warm")
    desk.gates.failures = [Conflict("edited", status=409)]
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: not desk.gates.failures)
        await desk.rounds(5)
        assert desk.gates.calls == ["nominate agent"]
        await desk.opened()


async def test_an_annotation_that_is_there_already_holds_nothing_up(desk: Desk) -> None:
    """As a new leader finds it: its write changes nothing, so the watch never brings the pod again."""
    desk.settling_node("node", seconds=10)
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held"])
    async with desk.at_work():
        await desk.until(lambda: desk.reasons() == ["Held", "Held"])
        desk.now += 61
        await desk.opened()


async def test_a_snapshot_that_is_not_synced_nominates_nothing_and_lets_deadlines_pass(desk: Desk) -> None:
    desk.set_synced(False)
    desk.node("warm")
    desk.pod("young")
    desk.pod("old", age=61)
    async with desk.at_work():
        assert (await desk.opened("old")).status.nominated_node_name == ""
        await desk.rounds(3)
        assert desk.gates.calls == ["let-through old"]
        assert counted("stoker_gated_pods", reason="undecided") == 1
        desk.now += 60
        await desk.opened("young")
    assert desk.read("young").status.nominated_node_name == ""


async def test_a_nomination_is_not_judged_by_a_snapshot_that_is_not_synced(desk: Desk) -> None:
    desk.set_synced(False)  # so the node is not known yet
    desk.pod(nominated="warm", forecast_for="warm")
    async with desk.at_work():
        await desk.rounds(3)
        assert desk.gates.calls == []
        desk.node("warm")
        desk.set_synced(True)
        assert (await desk.opened()).status.nominated_node_name == "warm"


async def test_a_half_finished_nomination_is_opened_at_its_deadline_whatever_the_snapshot_is_worth(desk: Desk) -> None:
    desk.set_synced(False)
    desk.pod(nominated="warm", forecast_for="warm", age=61)
    async with desk.at_work():
        await desk.opened()


async def test_a_mistake_in_deciding_leaves_the_deadlines(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError("stumbled")

    monkeypatch.setattr(subject, "decide", stumble)
    before = counted("stoker_placement_round_errors_total")
    desk.node("warm")
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: counted("stoker_placement_round_errors_total") > before)
        assert desk.gates.calls == []
        desk.now += 61
        assert (await desk.opened()).status.nominated_node_name == ""


async def test_a_replica_that_does_not_lead_writes_nothing_and_begins_when_it_does(desk: Desk) -> None:
    desk.leader.leading = False
    desk.node("warm")
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: counted("stoker_leading") == 0)
        assert desk.gates.calls == []
        desk.leader.leading = True
        assert (await desk.opened()).status.nominated_node_name == "warm"


async def test_a_new_leader_counts_the_hold_from_when_the_pod_was_first_seen(desk: Desk) -> None:
    desk.leader.leading = False
    desk.node("warm")
    desk.pod()
    before = counted("stoker_gate_hold_seconds_sum", outcome="nominated")
    async with desk.at_work():
        desk.now += 7
        desk.leader.leading = True
        await desk.opened()
        await desk.until(lambda: desk.reasons() == ["Nominated"])
    assert counted("stoker_gate_hold_seconds_sum", outcome="nominated") - before == pytest.approx(7)


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


async def test_a_nomination_by_the_schedulers_preemption_is_left_alone(desk: Desk) -> None:
    desk.pod(gates=(), nominated="warm")
    desk.edit("agent", unschedulable)
    async with desk.at_work():
        await desk.rounds(3)
    assert desk.gates.calls == []


async def test_writes_that_have_begun_are_finished_at_the_end(desk: Desk) -> None:
    desk.node("warm")
    desk.pod()
    async with desk.at_work():
        await desk.until(lambda: bool(desk.gates.calls))
    assert desk.read().spec.scheduling_gates == []


async def test_two_controllers_that_both_believe_to_lead_do_no_harm(desk: Desk) -> None:
    desk.node("warm", cpu="3500m")
    async with desk.at_work(), desk.at_work():
        for number in range(6):
            desk.pod(f"agent-{number}")
        pods = [await desk.opened(f"agent-{number}") for number in range(6)]
        await asyncio.sleep(0)
    assert [pod.status.nominated_node_name for pod in pods].count("warm") == 3
