"""What is read from the snapshot for a decision: pods with their requirements, nodes with what is left of them."""

from __future__ import annotations

import pytest

from model import names
from placement.deadlines import creation_of, deadline_of, held_since
from placement.inputs import FleetState, GatedPod
from placement.survey import PROFILE_OF_NONE, Survey
from tests.placement.desk import START, Desk


def gated(desk: Desk) -> GatedPod:
    (pod,) = desk.snapshot.waiting.pods.values()
    return Survey(desk.snapshot).gated(pod)


def fleet(desk: Desk, placed: dict[str, str] | None = None) -> FleetState:
    survey = Survey(desk.snapshot)
    return survey.fleet([survey.gated(pod) for pod in desk.snapshot.waiting.pods.values()], placed or {})


def cpu(desk: Desk, node: str = "warm", placed: dict[str, str] | None = None) -> int:
    return fleet(desk, placed).nodes[node].free["cpu"]


async def test_a_pod_is_read_with_its_profile_priority_and_requirements(desk: Desk) -> None:
    desk.pod(cpu="500m", priority=7, nodeSelector={"pool": "agents"})
    pod = gated(desk)
    assert (pod.uid, pod.profile.name, pod.priority, pod.unjudged) == ("uid-agent", "kata-agents", 7, "")
    assert pod.requirements.node_selector == (("pool", "agents"),)
    assert dict(pod.requirements.amounts) == {"cpu": 500, "pods": 1}
    assert pod.needs.handler == "kata-qemu"


@pytest.mark.parametrize("profile", ["gone", "NOT A NAME!", ""])
async def test_a_pod_whose_profile_is_not_to_be_had_gets_the_default_one(desk: Desk, profile: str) -> None:
    desk.pod(annotations={names.PROFILE_ANNOTATION: profile})
    assert gated(desk).profile is PROFILE_OF_NONE
    assert gated(desk).deadline - gated(desk).created == 120


async def test_a_quantity_that_is_none_is_told_instead_of_being_taken_for_nothing(desk: Desk) -> None:
    desk.pod(cpu="several")
    assert "several" in gated(desk).unjudged


async def test_a_pod_that_others_repel_by_required_anti_affinity_is_kept_off_their_nodes(desk: Desk) -> None:
    desk.node("warm")
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}
    repels = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    desk.pod("hermit", gates=(), affinity=repels)
    desk.bind("hermit", "warm")
    desk.pod()
    assert gated(desk).requirements.repelled == {("kubernetes.io/hostname", "warm")}
    assert gated(desk).unjudged == ""


async def test_the_deadline_of_a_decision_is_that_of_a_deadline(desk: Desk) -> None:
    desk.now += 0.4
    desk.pod()
    desk.now += 30
    waiting = desk.snapshot.waiting
    deadline = deadline_of(
        desk.read(), desk.snapshot.tenancy.profile, desk.snapshot.clock, waiting.first_seen("uid-agent")
    )
    assert gated(desk).deadline == deadline == pytest.approx(START + 60.4)


async def test_a_clock_that_is_set_back_holds_no_pod_beyond_its_time(desk: Desk) -> None:
    desk.pod()
    left = gated(desk).deadline - desk.snapshot.clock.now()
    desk.now += 10
    desk.set_by = -3_600.0
    assert gated(desk).deadline - desk.snapshot.clock.now() == pytest.approx(left - 10, abs=1.0)


@pytest.mark.parametrize(
    ("seen", "created"),
    [
        (0.4, 0.4),  # within the second that the API cut off
        (-30.0, -30.0),  # by a clock that is behind the API server's
        (1.0, 0.0),
        (500.0, 0.0),  # after a restart
        (None, 0.0),
    ],
)
async def test_nobody_waits_longer_because_creation_times_are_cut_to_seconds(
    desk: Desk, seen: float | None, created: float
) -> None:
    desk.pod()
    instant = creation_of(desk.read(), desk.snapshot.clock, None if seen is None else START + seen)
    assert instant == pytest.approx(START + created)


@pytest.mark.parametrize(
    ("seen", "since"),
    [
        (0.4, 0.4),  # within the second that the API cut off
        (-30.0, -30.0),  # by a clock that is behind the API server's
        (500.0, 1.0),  # after a restart
    ],
)
async def test_a_hold_is_measured_from_the_creation_unless_it_was_seen_before(
    desk: Desk, seen: float, since: float
) -> None:
    desk.pod()
    assert held_since(desk.read(), desk.snapshot.clock, START + seen) == pytest.approx(START + since)


async def test_the_hold_of_a_pod_without_a_creation_to_read_is_measured_from_when_it_was_seen(desk: Desk) -> None:
    desk.pod()
    desk.edit("agent", lambda document: document["metadata"].update(creationTimestamp=None))
    assert held_since(desk.read(), desk.snapshot.clock, START + 7) == START + 7


async def test_bound_nominated_and_just_placed_pods_take_room_and_count_as_starts(desk: Desk) -> None:
    desk.node("warm", cpu="8")
    desk.pod("bound", cpu="1", gates=())
    desk.bind("bound", "warm")
    assert cpu(desk) == 7_000
    desk.pod("nominated", cpu="2", gates=(), nominated="warm")
    assert cpu(desk) == 5_000
    desk.pod("placed", cpu="3")
    assert cpu(desk, placed={"uid-placed": "warm"}) == 2_000
    assert fleet(desk, {"uid-placed": "warm"}).nodes["warm"].facts.starting == 3


async def test_a_nomination_that_is_seen_is_not_counted_twice(desk: Desk) -> None:
    desk.node("warm", cpu="8")
    desk.pod("nominated", cpu="2", gates=(), nominated="warm")
    assert cpu(desk, placed={"uid-nominated": "warm"}) == 6_000


async def test_finished_pods_take_no_room(desk: Desk) -> None:
    desk.node("warm", cpu="8")
    desk.pod("done", gates=())
    desk.bind("done", "warm")
    desk.edit("done", lambda document: document["status"].update(phase="Succeeded"))
    assert cpu(desk) == 8_000


async def test_a_nomination_to_a_node_that_is_gone_takes_nothing(desk: Desk) -> None:
    desk.node("warm")
    desk.pod("nominated", gates=(), nominated="gone")
    assert set(fleet(desk).nodes) == {"warm"}


async def test_pods_that_preferences_select_are_counted_where_they_run_and_where_they_are_going(desk: Desk) -> None:
    desk.node("warm")
    constraint = {"topologyKey": "kubernetes.io/hostname", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    spread = [{**constraint, "labelSelector": {}}]
    for name in ("bound", "nominated", "placed"):
        desk.pod(name, topologySpreadConstraints=spread)
    desk.bind("bound", "warm")
    desk.edit("nominated", lambda document: document["status"].update(nominatedNodeName="warm"))
    (counts,) = fleet(desk, {"uid-placed": "warm"}).census.values()
    assert counts == {"warm": 3}
