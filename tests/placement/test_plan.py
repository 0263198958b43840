"""The plan: what a placement takes of a node, and that taking it back leaves no trace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.preferences import HOSTNAME, Preferences, SoftSpread
from model.selectors import PodSelector
from placement.candidates import CandidateLists
from placement.inputs import FleetState, GatedPod
from placement.plan import Member, Plan
from placement.tallies import Tallies, Tally
from tests.builders import AGENT_IMAGE, demand
from tests.placement.fleets import COLD, NOW, fleet, gated, state

PODS = [
    gated(
        f"pod-{number}",
        cpu=500 * (1 + number % 3),
        needs=demand(AGENT_IMAGE if number % 2 else "registry.example/other:v2"),
        preferences=Preferences(spreads=(SoftSpread(HOSTNAME, 1, PodSelector(frozenset({"tenant-a"}))),)),
    )
    for number in range(5)
]


class Bench:
    """A plan over one cold node, and the tally of its pods."""

    def __init__(self, pods: list[GatedPod]) -> None:
        self.fleet: FleetState = fleet(state("n", cpu=50_000, **COLD))
        self.plan = Plan(self.fleet)
        lists, tallies = CandidateLists(self.fleet, NOW), Tallies(pods, self.fleet)
        self.tally: Tally = tallies.pulls(pods[0].preferences)[0][0]
        self.members = [Member(pod, lists.of(pod), tallies.counting(pod), 120.0) for pod in pods]

    def seen(self) -> tuple[object, ...]:
        """The node as the next pod of each kind finds it."""
        seconds = [self.plan.seconds(member, "n") for member in self.members]
        return self.plan.facts("n"), seconds, self.tally.count("n"), dict(self.plan.placed)


@given(st.lists(st.sampled_from(range(5)), unique=True), st.sets(st.sampled_from(range(5))))
def test_a_placement_that_is_taken_back_leaves_no_trace(order: list[int], taken: set[int]) -> None:
    there_and_back, never = Bench(PODS), Bench(PODS)
    for index in order:
        there_and_back.plan.put(there_and_back.members[index], "n")
        if index not in taken:
            never.plan.put(never.members[index], "n")
    for index in order:
        if index in taken:
            there_and_back.plan.take(there_and_back.members[index])
    assert there_and_back.seen() == never.seen()


@given(st.permutations(range(5)), st.integers(0, 4))
def test_a_pod_that_is_put_back_at_its_turn_leaves_no_trace(order: list[int], which: int) -> None:
    there_and_back, never = Bench(PODS), Bench(PODS)
    for index in order:
        for bench in (there_and_back, never):
            bench.plan.put(bench.members[index], "n")
    plan, member = there_and_back.plan, there_and_back.members[which]
    plan.put(member, "n", plan.take(member))
    assert there_and_back.seen() == never.seen()
    assert [plan.facts_for(pod.uid) for pod in PODS] == [never.plan.facts_for(pod.uid) for pod in PODS]


def test_each_pod_is_forecast_behind_those_that_were_put_there_before() -> None:
    bench = Bench(PODS)
    for member in bench.members[:3]:
        bench.plan.put(member, "n")
    assert [bench.plan.facts_for(pod.uid).starting for pod in PODS[:3]] == [0.0, 1.0, 2.0]


def test_a_node_has_room_until_its_resources_are_taken() -> None:
    bench = Bench(
        [gated("a", cpu=30_000, preferences=PODS[0].preferences), gated("b", preferences=PODS[0].preferences)]
    )
    large, small = bench.members
    bench.plan.put(large, "n")
    assert bench.plan.seconds(large, "n") is None
    assert bench.plan.seconds(small, "n") is not None


def test_a_node_that_is_no_candidate_takes_no_pod() -> None:
    bench = Bench(PODS)
    assert bench.plan.seconds(bench.members[0], "elsewhere") is None
