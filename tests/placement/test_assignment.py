"""Many pods at once: the least total seconds that the nodes have room for, whatever the order of the input."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.scenarios.flow import least_cost_nodes as flow
from model.forecast import forecast
from model.profiles import TenantProfile
from placement.decision import decide
from placement.inputs import FleetState, GatedPod, NodeState
from placement.verdicts import Nominate, Verdict
from tests.builders import AGENT_IMAGE, Sizes, demand
from tests.placement import exact
from tests.placement.fleets import COLD, NOW, SIZES, contended, fleet, gated, several, state, tenant

OTHER_IMAGE = "registry.example/other:v2"
TWO_SIZES = Sizes({**SIZES, OTHER_IMAGE: 432_000_000})
IMAGES = st.sampled_from([frozenset({AGENT_IMAGE}), frozenset({OTHER_IMAGE}), frozenset({AGENT_IMAGE, OTHER_IMAGE})])


def nodes_of(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    return {uid: item.node for uid, item in verdicts.items() if isinstance(item, Nominate)}


def cost(pods: Sequence[GatedPod], where: FleetState) -> exact.Cost:
    """Pods without a node, and the seconds that the verdicts forecast for the others."""
    placed = [item for item in decide(pods, where, NOW).values() if isinstance(item, Nominate)]
    return len(pods) - len(placed), sum(item.forecast.seconds for item in placed)


@st.composite
def small_fleets(draw: st.DrawFn) -> FleetState:
    nodes = [
        state(
            f"n{number}",
            cpu=draw(st.integers(0, 8)) * 500,
            architecture=draw(st.sampled_from(["amd64", "arm64"])),
            images=draw(st.just(frozenset()) | IMAGES),
            starting=float(draw(st.integers(0, 5))),
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    return FleetState({item.facts.name: item for item in nodes}, TWO_SIZES)


@st.composite
def small_bursts(draw: st.DrawFn) -> list[GatedPod]:
    profile = contended(draw(st.sampled_from([0, 100, 3_000])))
    return [
        gated(
            f"pod-{number}",
            cpu=draw(st.integers(1, 4)) * 500,
            needs=demand(draw(st.sampled_from([AGENT_IMAGE, OTHER_IMAGE]))),
            profile=profile,
        )
        for number in range(draw(st.integers(1, 5)))
    ]


@settings(deadline=None, max_examples=60)
@given(small_bursts(), small_fleets())
def test_a_small_burst_is_within_5_percent_of_the_exact_solution(pods: list[GatedPod], where: FleetState) -> None:
    unplaced, seconds = cost(pods, where)
    best_unplaced, best_seconds = exact.least(pods, where)
    assert unplaced == best_unplaced
    assert seconds <= 1.05 * best_seconds


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_burst_of_equal_sizes_is_within_5_percent_of_the_least_cost_flow(data: st.DataObject) -> None:
    """Equal sizes make it a flow problem, which is solved exactly for many pods too."""
    milliseconds = data.draw(st.sampled_from([0, 500]))
    slots = data.draw(st.lists(st.integers(0, 6), min_size=2, max_size=8))
    nodes = [
        state(
            f"n{number}",
            cpu=1_000 * count,
            architecture=data.draw(st.sampled_from(["amd64", "arm64"])),
            images=frozenset({AGENT_IMAGE, OTHER_IMAGE}),
        )
        for number, count in enumerate(slots)
    ]
    kinds = [
        ({"amd64": fast, "arm64": slow}, data.draw(st.integers(0, 8)))
        for fast, slow in data.draw(
            st.lists(st.tuples(st.integers(0, 60), st.integers(0, 300)), min_size=1, max_size=4)
        )
    ]
    pods = [
        gated(f"pod-{kind}-{number}", profile=_kind(kind, applications, milliseconds))
        for kind, (applications, count) in enumerate(kinds)
        for number in range(count)
    ]
    where = FleetState({item.facts.name: item for item in nodes}, TWO_SIZES)
    unplaced, seconds = cost(pods, where)
    table = [[_seconds(pod, node) for node in nodes] for pod in pods]
    places = flow(table, slots, lambda count: (count - 1) * milliseconds / 1_000)
    best = sum(table[index][node] for index, node in enumerate(places) if node is not None)
    best += sum(count * (count - 1) / 2 * milliseconds / 1_000 for count in Counter(places).values())
    if None in places:
        assert unplaced == places.count(None)
    else:
        assert unplaced == 0
        assert seconds <= 1.05 * best + 0.001


def _kind(kind: int, applications: dict[str, int], milliseconds: int) -> TenantProfile:
    spec = tenant(startup={"applicationSeconds": applications, "contentionMillisecondsPerStart": milliseconds})
    return spec.model_copy(update={"name": f"kind-{kind}"})


def _seconds(pod: GatedPod, node: NodeState) -> float:
    return forecast(pod.needs, node.facts, pod.profile.spec, TWO_SIZES, NOW).seconds if node.free["cpu"] else inf


def test_who_loses_most_by_missing_the_warm_node_gets_it() -> None:
    quick = gated("a", profile=tenant(startup={"applicationSeconds": {"amd64": 33, "arm64": 35}}))
    slow = gated("b", profile=tenant(startup={"applicationSeconds": {"amd64": 33, "arm64": 90}}))
    slow = gated("b", profile=slow.profile.model_copy(update={"name": "slow"}))
    found = decide([quick, slow], fleet(state("amd", cpu=1_000), state("arm", architecture="arm64")), NOW)
    assert nodes_of(found) == {"a": "arm", "b": "amd"}


def test_pods_that_start_as_fast_anywhere_leave_the_warm_nodes_to_those_that_do_not() -> None:
    easy = _kind(0, {"amd64": 33, "arm64": 34}, 0)
    hard = _kind(1, {"amd64": 33, "arm64": 90}, 0)
    pods = [*several(8, prefix="a", profile=easy), *several(8, prefix="b", profile=hard)]
    where = fleet(state("amd", cpu=8_000), state("arm", cpu=9_000, architecture="arm64"))
    found = nodes_of(decide(pods, where, NOW))
    assert {uid[0] for uid, name in found.items() if name == "amd"} == {"b"}


def test_of_those_who_lose_as_much_more_small_pods_than_large_ones_get_the_warm_nodes() -> None:
    pods = [*several(8, prefix="a-large", cpu=4_000), *several(8, prefix="b-small")]
    where = fleet(state("warm", cpu=8_000), state("cold", cpu=100_000, **COLD))
    found = nodes_of(decide(pods, where, NOW))
    assert {uid for uid, name in found.items() if name == "warm"} == {f"b-small-{number:03}" for number in range(8)}


def test_a_node_that_pods_of_lower_priority_fill_beyond_its_budget_is_relieved() -> None:
    profile = contended(700)  # a budget of three
    small = gated("small", cpu=500, priority=5, profile=profile)
    large = several(3, cpu=2_000, profile=profile)
    found = nodes_of(decide([small, *large], fleet(state("n0", cpu=8_000), state("n1", cpu=1_000)), NOW))
    assert found["small"] == "n1"


def test_a_burst_of_200_pods_on_50_nodes_fills_the_warm_ones_first() -> None:
    nodes = [state(f"n{number:02}", cpu=12_000, **({} if number < 10 else COLD)) for number in range(50)]
    used = Counter(nodes_of(decide(several(200), fleet(*nodes), NOW)).values())
    assert sum(used.values()) == 200
    assert {name: used[name] for name in sorted(used) if name < "n10"} == {f"n{number:02}": 12 for number in range(10)}


def test_a_burst_spreads_evenly_where_starts_slow_one_another() -> None:
    nodes = [state(f"n{number}", cpu=50_000) for number in range(5)]
    used = Counter(nodes_of(decide(several(40, profile=contended(100)), fleet(*nodes), NOW)).values())
    assert set(used.values()) == {8}


def test_a_pull_that_a_pod_begins_is_waited_for_by_the_next() -> None:
    pods = [gated("a"), gated("b", needs=demand(OTHER_IMAGE))]
    where = FleetState({name: state(name, **COLD) for name in ("n1", "n2")}, TWO_SIZES)
    assert len(set(nodes_of(decide(pods, where, NOW)).values())) == 2


@given(st.randoms(use_true_random=False))
def test_the_order_of_pods_and_nodes_does_not_matter(shuffler: random.Random) -> None:
    pods = [gated(f"pod-{number}", cpu=500 + 250 * (number % 3)) for number in range(12)]
    nodes = [state(f"n{number}", cpu=1_000 + 500 * (number % 4), zone="ab"[number % 2]) for number in range(6)]
    expected = decide(pods, fleet(*nodes), NOW)
    shuffler.shuffle(pods)
    shuffler.shuffle(nodes)
    assert decide(pods, fleet(*nodes), NOW) == expected


def test_nothing_is_decided_for_no_pods() -> None:
    assert decide([], fleet(state("n")), NOW) == {}
