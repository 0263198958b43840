"""Among forecasts within two seconds a nominated pod gets what the scheduler's scoring would have given it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from model.preferences import (
    HOSTNAME,
    ZONE,
    NodePreference,
    PodPreference,
    Preferences,
    SoftSpread,
    default_spreads,
)
from model.selectors import Expression, NodeTerm, PodIdentity, PodSelector
from model.taints import Taint
from placement.decision import decide
from placement.inputs import FleetState, GatedPod, NodeState
from placement.verdicts import Nominate
from tests.placement.fleets import COLD, NOW, contended, fleet, gated, settling, several, state

OWNED = PodIdentity("tenant-a", {"app": "agent"}, "ReplicaSet/agents")
AGENTS = PodSelector(frozenset({"tenant-a"}), (Expression("app", "In", ("agent",)),))


def placed(pods: Sequence[GatedPod], where: FleetState) -> list[str]:
    """The nodes that are nominated, in the order of the pods."""
    found = decide(pods, where, NOW)
    nominations = [found[pod.uid] for pod in pods]
    assert all(isinstance(item, Nominate) for item in nominations)
    return [item.node for item in nominations if isinstance(item, Nominate)]


def zones(*counts: int) -> list[NodeState]:
    """So many warm nodes in zone a, in zone b, and so on; their names sort by zone."""
    return [
        state(f"{zone}{number}", zone=zone, cpu=50_000)
        for zone, count in zip("abcdef", counts, strict=False)
        for number in range(count)
    ]


def test_pods_of_one_controller_are_spread_over_zones_of_unequal_size() -> None:
    pods = several(9, identity=OWNED, preferences=Preferences(spreads=default_spreads(OWNED)))
    used = Counter(name[0] for name in placed(pods, fleet(*zones(30, 6, 3))))
    assert used == {"a": 3, "b": 3, "c": 3}


def test_pods_of_one_controller_are_spread_over_nodes() -> None:
    pods = several(8, identity=OWNED, preferences=Preferences(spreads=default_spreads(OWNED)))
    assert set(Counter(placed(pods, fleet(*zones(4)))).values()) == {2}


def test_pods_that_run_already_count() -> None:
    wanted = Preferences(spreads=(SoftSpread(HOSTNAME, 1, AGENTS),))
    where = fleet(*zones(3), census={AGENTS: {"a0": 1, "a1": 1, "a2": 0, "gone": 7}})
    assert placed([gated(identity=OWNED, preferences=wanted)], where) == ["a2"]


def test_a_constraint_of_the_pods_own_over_zones_is_honoured() -> None:
    wanted = Preferences(spreads=(SoftSpread(ZONE, 1, AGENTS),))
    where = fleet(*zones(2, 2), census={AGENTS: {"a1": 3}})
    assert {name[0] for name in placed(several(3, identity=OWNED, preferences=wanted), where)} == {"b"}


def test_pods_that_repel_one_another_go_to_different_nodes() -> None:
    wanted = Preferences(pods=(PodPreference(-100, HOSTNAME, AGENTS),))
    assert len(set(placed(several(4, identity=OWNED, preferences=wanted), fleet(*zones(4))))) == 4


def test_a_pod_goes_near_those_it_prefers_wherever_their_node_stands_in_the_list() -> None:
    near = Preferences(pods=(PodPreference(50, HOSTNAME, AGENTS),))
    assert placed([gated(preferences=near)], fleet(*zones(9), census={AGENTS: {"a7": 2}})) == ["a7"]


def test_a_pod_goes_into_the_zone_of_those_it_prefers() -> None:
    near = Preferences(pods=(PodPreference(50, ZONE, AGENTS),))
    assert placed([gated(preferences=near)], fleet(*zones(5, 5), census={AGENTS: {"b3": 1}}))[0].startswith("b")


def test_a_preferred_label_decides_within_the_tie() -> None:
    wanted = Preferences(nodes=(NodePreference(1, NodeTerm((Expression(ZONE, "In", ("b",)),))),))
    assert placed([gated(preferences=wanted)], fleet(*zones(3, 1))) == ["b0"]


def test_a_node_that_prefers_no_schedule_is_second_choice() -> None:
    assert placed([gated()], fleet(state("a", taints=(Taint("busy", "PreferNoSchedule"),)), state("b"))) == ["b"]


def test_no_preference_outweighs_more_than_the_tie() -> None:
    wanted = Preferences(
        nodes=(NodePreference(100, NodeTerm((Expression(ZONE, "In", ("b",)),))),),
        spreads=(SoftSpread(HOSTNAME, 1, AGENTS),),
    )
    where = fleet(state("a", zone="a"), state("b", zone="b", **COLD), census={AGENTS: {"a": 9}})
    assert placed([gated(identity=OWNED, preferences=wanted)], where) == ["a"]


def test_what_is_warm_now_comes_before_any_preference_within_the_tie() -> None:
    wanted = Preferences(nodes=(NodePreference(100, NodeTerm((Expression(ZONE, "In", ("b",)),))),))
    where = fleet(state("a", zone="a", starting=10.0), state("b", zone="b", **settling(0.5)))
    assert placed([gated(preferences=wanted, profile=contended(100))], where) == ["a"]


def test_within_the_tie_a_preference_may_fill_a_node_up_to_its_budget() -> None:
    wanted = Preferences(nodes=(NodePreference(1, NodeTerm((Expression(ZONE, "In", ("b",)),))),))
    pods = several(9, preferences=wanted, profile=contended(500))
    used = Counter(placed(pods, fleet(state("a", zone="a"), state("b", zone="b", cpu=9_000))))
    assert used == {"b": 5, "a": 4}


def test_a_preference_within_the_tie_survives_the_search_for_the_least_total() -> None:
    wanted = Preferences(nodes=(NodePreference(1, NodeTerm((Expression(ZONE, "In", ("b",)),))),))
    where = fleet(state("a", zone="a"), state("b", zone="b", starting=3.0))
    assert placed(several(2, preferences=wanted, profile=contended(500)), where) == ["b", "b"]


def test_tenants_with_one_pod_each_do_not_repel_one_another() -> None:
    pods = [
        gated(f"pod-{number}", identity=owner, preferences=Preferences(spreads=default_spreads(owner)))
        for number, owner in enumerate(PodIdentity("tenant-a", {}, f"ReplicaSet/{name}") for name in "xyz")
    ]
    assert placed(pods, fleet(*zones(3))) == ["a0", "a0", "a0"]
