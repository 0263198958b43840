"""Preferences: points for nodes, and for nodes by the pods that their domains have."""

from __future__ import annotations

from math import log

import pytest

from model.preferences import (
    HOSTNAME,
    ZONE,
    NodePreference,
    PodPreference,
    Preferences,
    SoftSpread,
    attractions,
    census,
    default_spreads,
    standing_points,
)
from model.requirements import NodeTraits
from model.selectors import Expression, NodeTerm, PodIdentity, PodSelector
from model.taints import Taint, Toleration

ARM = NodeTraits("n1", {"arch": "arm64", "disk": "ssd"}, (Taint("old", "PreferNoSchedule"), Taint("t", "NoSchedule")))
PODS_OF_A = PodSelector(frozenset({"a"}))


def prefers(weight: int, key: str, value: str) -> NodePreference:
    return NodePreference(weight, NodeTerm((Expression(key, "In", (value,)),)))


def test_the_weights_of_all_terms_that_match_add_up() -> None:
    wanted = Preferences(nodes=(prefers(10, "arch", "arm64"), prefers(5, "disk", "ssd"), prefers(100, "arch", "amd64")))
    assert standing_points(wanted, (Toleration("", "Exists"),), ARM) == 30


def test_a_taint_that_only_prefers_costs_points_unless_tolerated() -> None:
    assert standing_points(Preferences(), (), ARM) == -300
    assert standing_points(Preferences(), (Toleration("old", "Exists"),), ARM) == 0


def test_pods_attract_or_repel_by_their_weight() -> None:
    near, far = PodPreference(7, ZONE, PODS_OF_A), PodPreference(-9, HOSTNAME, PODS_OF_A)
    assert [item.points for item in attractions(Preferences(pods=(near, far)), {})] == [14, -18]


@pytest.mark.parametrize(
    ("domains", "max_skew", "points"), [(3, 1, -200 * log(5)), (3, 5, -40 * log(5)), (0, 0, -200 * log(2))]
)
def test_a_spread_repels_by_the_number_of_domains_and_less_where_more_skew_is_allowed(
    domains: int, max_skew: int, points: float
) -> None:
    wanted = Preferences(spreads=(SoftSpread(ZONE, max_skew, PODS_OF_A),))
    assert attractions(wanted, {ZONE: domains})[0].points == pytest.approx(points)


def test_pods_of_one_controller_are_spread_over_hosts_and_zones_by_default() -> None:
    spreads = default_spreads(PodIdentity("a", {}, "ReplicaSet/x"))
    assert [(item.topology_key, item.max_skew) for item in spreads] == [(HOSTNAME, 3), (ZONE, 5)]
    assert {item.selector for item in spreads} == {PodSelector(frozenset({"a"}), owner="ReplicaSet/x")}


def test_a_pod_without_a_controller_has_no_default_spreading() -> None:
    assert default_spreads(PodIdentity("a", {"app": "x"})) == ()


def test_the_selectors_to_count_are_those_of_pods_and_spreads() -> None:
    other = PodSelector(frozenset({"b"}))
    wanted = Preferences(pods=(PodPreference(1, ZONE, PODS_OF_A),), spreads=(SoftSpread(ZONE, 1, other),))
    assert wanted.selectors() == {PODS_OF_A, other}


def test_a_census_counts_for_each_selector_its_pods_on_each_node() -> None:
    owned = PodSelector(frozenset({"a"}), owner="ReplicaSet/x")
    everywhere = PodSelector(frozenset({"a", "b"}), (Expression("app", "In", ("x",)),))
    pods = [
        ("n1", PodIdentity("a", {"app": "x"}, "ReplicaSet/x")),
        ("n1", PodIdentity("a", {"app": "y"})),
        ("n2", PodIdentity("b", {"app": "x"}, "ReplicaSet/x")),
        ("n2", PodIdentity("c", {"app": "x"})),
    ]
    assert census(pods, [PODS_OF_A, owned, everywhere]) == {
        PODS_OF_A: {"n1": 2},
        owned: {"n1": 1},
        everywhere: {"n1": 1, "n2": 1},
    }
