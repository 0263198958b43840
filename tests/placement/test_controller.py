"""The controller's loop over a snapshot: what it writes, what it tells, and that nothing stays behind its gate."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from model import names
from placement import metrics
from tests.placement.desk import Desk, counted


def forecast_on(desk: Desk, name: str = "agent") -> dict[str, Any]:
    told: dict[str, Any] = msgspec.json.decode(desk.read(name).metadata.annotations[names.FORECAST_ANNOTATION])
    return told


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
    monkeypatch.setattr("placement.notices.AGAIN_WALL_SECONDS", 0.1)
    monkeypatch.setattr("placement.notices.AGAIN_EVENT_WALL_SECONDS", 0.2)
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
