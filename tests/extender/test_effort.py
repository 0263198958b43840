"""What an answer costs, in counts: what is known is not worked out again, and nothing is asked of the API."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from cluster.translation import pod_needs
from extender.outlook import FAR_BEHIND, Outlook, Outlooks
from extender.roster import Roster
from tests.cluster.objects import event, image
from tests.extender.world import World, tenant_pod

NODES = 30
KINDS = 3


class Effort:
    """The columns of three kinds of pods over thirty nodes, and how often their rows were worked out."""

    def __init__(self) -> None:
        self.world = World()
        for number in range(NODES):
            self.world.add(f"n{number}")
        self.roster = Roster(self.world.fleet, lambda _: None)
        self.columns = Outlooks(self.roster, self.world.fleet)
        self.outlooks = [self.outlook(f"registry.example/kind-{number}:v1") for number in range(KINDS)]
        self.look()

    def outlook(self, reference: str) -> Outlook:
        profile = self.world.tenancy.profile("kata-agents")
        assert profile is not None
        subject = tenant_pod()
        subject.spec.containers[0].image = reference
        return self.columns.of(pod_needs(subject, self.world.tenancy.handler_of), profile)

    def look(self) -> None:
        self.roster.refresh()
        for outlook in self.outlooks:
            outlook.seconds(np.arange(self.roster.capacity), self.roster.starting, self.world.now)

    def since(self) -> tuple[int, list[int]]:
        """How many rows another look works out: of what the kinds share, and of the pulls of each kind."""
        shared = self.outlooks[0].preparation
        before = shared.evaluated, [outlook.pulls.evaluated for outlook in self.outlooks]
        self.look()
        after = [outlook.pulls.evaluated for outlook in self.outlooks]
        return shared.evaluated - before[0], [now - then for now, then in zip(after, before[1], strict=True)]


def test_without_a_change_nothing_is_worked_out() -> None:
    assert Effort().since() == (0, [0, 0, 0])


def test_time_alone_costs_nothing_where_nothing_is_going_on() -> None:
    effort = Effort()
    effort.world.now += 1_000
    assert effort.since() == (0, [0, 0, 0])


def test_a_changed_node_is_worked_out_once_for_each_kind_of_pods() -> None:
    effort = Effort()
    effort.world.add("n7", images=[image("another:v1")])
    assert effort.since() == (1, [1, 1, 1])


def test_a_node_that_reports_the_same_again_costs_nothing() -> None:
    effort = Effort()
    effort.world.add("n7")
    assert effort.since() == (0, [0, 0, 0])


def test_a_pod_on_a_node_that_pulls_nothing_new_leaves_the_pulls_alone() -> None:
    effort = Effort()
    effort.world.fleet.pod_changed(None, tenant_pod(on="n7"))
    assert effort.since() == (1, [0, 0, 0])


@pytest.mark.parametrize("passed", [0, 1_000])
def test_what_pods_that_start_do_not_change_is_not_summed_up_again(passed: float) -> None:
    effort = Effort()
    shared, pulls = effort.outlooks[0].preparation, effort.outlooks[0].pulls
    before = shared.revision, pulls.catch_up()
    effort.world.fleet.pod_changed(None, tenant_pod(on="n7"))
    effort.world.now += passed
    effort.look()
    assert (shared.revision, pulls.catch_up()) == before


def test_kinds_that_nobody_asks_about_while_much_changes_are_brought_up_to_date_one_at_a_time() -> None:
    effort = Effort()
    for number in range(FAR_BEHIND + 1):
        effort.world.add("n7", images=[image(f"another:v{number}")])
        effort.roster.refresh()
    assert [effort.columns.catch_up(effort.world.now) for _ in range(KINDS)] == [False, False, True]
    assert effort.since() == (0, [0, 0, 0])


def test_few_changes_wait_until_somebody_asks_about_the_kind() -> None:
    effort = Effort()
    effort.world.add("n7", images=[image("another:v1")])
    effort.roster.refresh()
    assert effort.columns.catch_up(effort.world.now)
    assert effort.since() == (0, [1, 1, 1])


def test_settle_windows_of_a_whole_fleet_cost_each_node_once() -> None:
    effort = Effort()
    effort.world.now += 0.5
    for number in range(NODES):
        restart = event(f"e{number}", host=f"n{number}", at="2026-03-04T04:53:10Z")
        effort.world.fleet.containerd_start_changed(None, restart)
    assert effort.since() == (NODES, [0, 0, 0])
    effort.world.now += 5
    assert effort.since() == (0, [0, 0, 0])


def test_answers_come_from_memory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was asked over the network")

    world = World()
    world.add("warm")
    monkeypatch.setattr(socket, "socket", refuse)
    assert (world.scores(tenant_pod(), "warm"), world.refused(tenant_pod(), "warm")) == ([10], {})
