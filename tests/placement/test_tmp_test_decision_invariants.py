"""What holds for every fleet and course of events, in virtual time, of the decision alone: releases, budgets, room.

The world is the least that placement needs: pods come, nodes change, a scheduler binds what is released, starts end.
The controller forgets everything between two rounds, as after a restart, but for what stands in the pods; at times it
is down, and then the release job alone opens overdue gates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.forecast import forecast
from model.requirements import refusal
from model.resources import lacking, reduced
from placement.budgets import start_budget
from placement.decision import decide, next_decision
from placement.inputs import FleetState, GatedPod, NodeState
from placement.prospects import prospect
from placement.verdicts import Hold, LetThrough, Nominate, Verdict
from tests.placement.fleets import COLD, NOW, RUNC, SIZES, contended, fleet, gated, installing, settling, state

RELEASE_EVERY_SECONDS = 30.0

NODE_KINDS = st.one_of(
    st.just({}),
    st.just(COLD),
    st.just({"architecture": "arm64"}),
    st.floats(0.5, 20).map(settling),
    st.floats(0, 130).map(installing),
    st.floats(0, 120).map(lambda age: {"ready": False, "created": NOW - age}),
    st.just({"handlers": RUNC, "kata_label": None}),
    st.integers(0, 9).map(lambda starting: {"starting": float(starting)}),
)


@st.composite
def fleets(draw: st.DrawFn) -> FleetState:
    kinds = draw(st.lists(NODE_KINDS, min_size=1, max_size=7))
    nodes = [
        state(
            f"n{number}",
            cpu=draw(st.sampled_from([0, 1_000, 2_500, 8_000, 20_000])),
            zone=draw(st.sampled_from("ab")),
            cordoned=draw(st.booleans()) and draw(st.booleans()),
            **kind,
        )
        for number, kind in enumerate(kinds)
    ]
    return fleet(*nodes)


@st.composite
def bursts(draw: st.DrawFn, most: int = 16) -> list[GatedPod]:
    milliseconds = draw(st.sampled_from([0, 700, 1_500]))
    profile = contended(milliseconds, maxHoldSeconds=draw(st.sampled_from([0, 30, 120, 300])))
    return [
        gated(
            f"pod-{number:02}",
            cpu=draw(st.sampled_from([500, 1_000, 2_000])),
            age=draw(st.floats(0, 100)),
            priority=draw(st.sampled_from([0, 0, 0, 5])),
            profile=profile,
            unjudged=draw(st.sampled_from(["", "", "", "", "volumes"])),
        )
        for number in range(draw(st.integers(1, most)))
    ]


def with_pod(node: NodeState, pod: GatedPod) -> NodeState:
    return replace(node, facts=node.facts.with_more_starting(1.0), free=reduced(node.free, pod.requirements.amounts))


def after(pods: Iterable[GatedPod], verdicts: dict[str, Verdict], where: FleetState) -> FleetState:
    """The fleet with all nominated pods bound."""
    nodes = dict(where.nodes)
    for pod in pods:
        verdict = verdicts[pod.uid]
        if isinstance(verdict, Nominate):
            nodes[verdict.node] = with_pod(nodes[verdict.node], pod)
    return replace(where, nodes=nodes)


@settings(deadline=None, max_examples=1500)
@given(bursts(), fleets())
def test_nominations_never_overcommit_a_node(pods: list[GatedPod], where: FleetState) -> None:
    full = after(pods, decide(pods, where, NOW), where)
    assert all(full.nodes[name].free["cpu"] >= 0 for name in where.nodes)


@settings(deadline=None, max_examples=1500)
@given(bursts(), fleets())
def test_only_warm_nodes_that_pass_what_the_pod_requires_are_nominated(pods: list[GatedPod], where: FleetState) -> None:
    verdicts = decide(pods, where, NOW)
    for pod in pods:
        if isinstance(verdict := verdicts[pod.uid], Nominate):
            node = where.nodes[verdict.node]
            found = prospect(node.facts, pod.needs.handler, pod.profile.spec, NOW)
            assert found is not None
            assert found.stage is None
            assert refusal(pod.requirements, node.traits) is None


@settings(deadline=None, max_examples=1500)
@given(bursts(), fleets())
def test_a_hold_ends_in_the_future_and_before_the_deadline(pods: list[GatedPod], where: FleetState) -> None:
    verdicts = decide(pods, where, NOW)
    for pod in pods:
        if isinstance(verdict := verdicts[pod.uid], Hold):
            assert NOW < verdict.until <= pod.deadline


@settings(deadline=None, max_examples=1500)
@given(bursts(), fleets())
def test_no_node_exceeds_its_budget_while_another_as_good_has_room(pods: list[GatedPod], where: FleetState) -> None:
    verdicts = decide(pods, where, NOW)
    full = after(pods, verdicts, where)
    for pod in pods:
        verdict = verdicts[pod.uid]
        if not isinstance(verdict, Nominate):
            continue
        budget, here = start_budget(pod.profile.spec), full.nodes[verdict.node].facts
        if here.starting <= budget:
            continue
        seconds = seconds_of(pod, replace(full.nodes[verdict.node], facts=here.with_more_starting(-1.0)))
        for other in full.nodes.values():
            if other.facts.starting < budget and can_start(pod, other):
                assert seconds_of(pod, other) > seconds


@settings(deadline=None, max_examples=1500)
@given(bursts(), fleets())
def test_a_pod_is_let_through_to_the_scheduler_only_where_no_warm_node_has_room_left(
    pods: list[GatedPod], where: FleetState
) -> None:
    verdicts = decide(pods, where, NOW)
    full = after(pods, verdicts, where)
    for pod in pods:
        if isinstance(verdicts[pod.uid], LetThrough) and pod.deadline > NOW and not pod.unjudged:
            assert not any(can_start(pod, node) for node in full.nodes.values())


def seconds_of(pod: GatedPod, node: NodeState) -> float:
    return forecast(pod.needs, node.facts, pod.profile.spec, SIZES, NOW).seconds


def can_start(pod: GatedPod, node: NodeState) -> bool:
    found = prospect(node.facts, pod.needs.handler, pod.profile.spec, NOW)
    is_warm = found is not None and found.stage is None
    return (
        is_warm and refusal(pod.requirements, node.traits) is None and not lacking(pod.requirements.amounts, node.free)
    )


class World:
    """A cluster in virtual time, with one controller and one scheduler."""

    def __init__(self, where: FleetState, pods: Iterable[GatedPod]) -> None:
        self.now = NOW
        self.fleet = where
        self.gated = {pod.uid: pod for pod in pods}
        self.released: dict[str, float] = {}

    def round(self) -> float:
        """The controller decides and carries out; tells when it wants to look again."""
        verdicts = decide(self.gated.values(), self.fleet, self.now)
        for uid, verdict in verdicts.items():
            if isinstance(verdict, Hold):
                continue
            pod = self.gated.pop(uid)
            self.released[uid] = self.now
            if isinstance(verdict, Nominate):
                self._bind(pod, verdict.node)
        return next_decision(verdicts.values(), (pod.deadline for pod in self.gated.values()))

    def release(self) -> None:
        for pod in [item for item in self.gated.values() if self.now >= item.deadline]:
            del self.gated[pod.uid]
            self.released[pod.uid] = self.now

    def restart_containerd(self, number: int) -> None:
        self._change(number, containerd_restarted=self.now)

    def fail_sandbox(self, number: int) -> None:
        self._change(number, sandbox_failed=self.now)

    def lose(self, number: int) -> None:
        nodes = dict(self.fleet.nodes)
        nodes.pop(f"n{number}", None)
        self.fleet = replace(self.fleet, nodes=nodes)

    def _bind(self, pod: GatedPod, name: str) -> None:
        node = with_pod(self.fleet.nodes[name], pod)
        assert node.free["cpu"] >= 0, "the scheduler would not bind it here"
        self.fleet = replace(self.fleet, nodes={**self.fleet.nodes, name: node})

    def _change(self, number: int, **facts: float) -> None:
        name = f"n{number}"
        if name in self.fleet.nodes:
            node = self.fleet.nodes[name]
            changed = replace(node, facts=replace(node.facts, **facts))  # type: ignore[arg-type] # instants, by name
            self.fleet = replace(self.fleet, nodes={**self.fleet.nodes, name: changed})


EVENTS = st.tuples(
    st.floats(0, 200), st.sampled_from([World.restart_containerd, World.fail_sandbox, World.lose]), st.integers(0, 6)
)
OUTAGES = st.tuples(st.floats(0, 300), st.floats(0, 300)).map(sorted)


@settings(deadline=None, max_examples=1500)
@given(fleets(), bursts(most=8), st.lists(EVENTS, max_size=8))
def test_every_pod_is_released_by_its_deadline_whatever_happens_to_the_nodes(
    where: FleetState, pods: list[GatedPod], events: list[tuple[float, object, int]]
) -> None:
    world = World(where, pods)
    due = sorted(
        ((NOW + after_seconds, kind, number) for after_seconds, kind, number in events), key=lambda item: item[0]
    )
    while world.gated:
        wake = world.round()
        if due and due[0][0] <= wake:
            world.now, kind, number = due.pop(0)
            kind(world, number)  # type: ignore[operator] # a method of World
        elif world.gated:
            world.now = wake
    assert all(world.released[pod.uid] <= max(pod.deadline, NOW) for pod in pods)


@settings(deadline=None, max_examples=1500)
@given(fleets(), bursts(most=8), OUTAGES)
def test_while_the_controller_is_down_the_release_job_opens_overdue_gates(
    where: FleetState, pods: list[GatedPod], outage: list[float]
) -> None:
    world, (begins, ends) = World(where, pods), (NOW + seconds for seconds in outage)
    while world.gated:
        if begins <= world.now < ends:
            world.release()
            world.now += RELEASE_EVERY_SECONDS
        else:
            wake = world.round()
            world.now = min(wake, begins) if world.now < begins else wake
    for pod in pods:
        assert world.released[pod.uid] <= max(pod.deadline, NOW) + RELEASE_EVERY_SECONDS


def test_a_node_that_is_restarted_again_and_again_holds_a_pod_no_longer_than_its_deadline() -> None:
    world = World(fleet(state("n0", **settling(10))), [gated()])
    while world.gated:
        world.round()
        world.now += 5
        world.restart_containerd(0)
    assert world.released["pod-1"] <= NOW + 120 == pytest.approx(NOW + 120)
