"""Columns follow what random days seldom show: sizes of others' pulls, a clock that is set back, a fleet that grows."""

from __future__ import annotations

from typing import Any

import numpy as np

from cluster.translation import pod_needs
from extender.columns import LEAST_CAPACITY
from extender.outlook import Outlooks
from extender.roster import SPARE_ARCHITECTURES, Roster
from model.forecast import forecast
from tests.cluster.objects import event, image
from tests.extender.world import KATA, World, tenant_pod


class Columns:
    """The columns of one pod, beside the forecasts they are to equal."""

    def __init__(self) -> None:
        self.world = World()
        self.roster = Roster(self.world.fleet, lambda _: None)
        self.outlooks = Outlooks(self.roster, self.world.fleet)

    def seconds(self, profile_name: str = "kata-agents") -> dict[str, float]:
        world = self.world
        profile = world.tenancy.profile(profile_name)
        assert profile is not None
        needs = pod_needs(tenant_pod(), world.tenancy.handler_of)
        self.roster.refresh()
        rows, shares = np.fromiter(self.roster.rows.values(), np.intp), np.zeros(self.roster.capacity)
        found = self.outlooks.of(needs, profile).seconds(rows, shares, world.now)
        seconds = dict(zip(self.roster.rows, found.tolist(), strict=True))
        assert seconds == {
            node.name: forecast(needs, node, profile.spec, world.fleet, world.now).seconds
            for node in world.fleet.nodes()
        }
        return seconds


def cold(**members: Any) -> dict[str, Any]:
    return {"handlers": KATA, "images": [image("other:v1")], **members}


def test_the_size_of_an_image_that_others_pull_counts_as_soon_as_it_is_known() -> None:
    columns = Columns()
    columns.world.add("busy", **cold())
    another = tenant_pod("another", on="busy")
    another.spec.containers[0].image = "pulled:v1"
    columns.world.fleet.pod_changed(None, another)
    before = columns.seconds()["busy"]
    columns.world.add("teller", **cold(images=[image("pulled:v1", 64_000_000_000)]))
    assert columns.seconds()["busy"] > before + 1_000


def test_a_size_of_what_others_pull_that_came_and_went_leaves_nothing_behind() -> None:
    columns = Columns()
    columns.world.put_profile("kata-others", runtimeClassName="kata-qemu")
    columns.world.add("busy", **cold())
    another = tenant_pod("another", on="busy")
    another.spec.containers[0].image = "pulled:v1"
    columns.world.fleet.pod_changed(None, another)
    before = columns.seconds()["busy"]
    columns.world.add("teller", **cold(images=[image("pulled:v1", 64_000_000_000)]))
    assert columns.seconds("kata-others")["busy"] > before + 1_000
    columns.world.remove("teller")
    assert [columns.seconds(name)["busy"] for name in ("kata-agents", "kata-others")] == [before, before]


def test_the_size_of_the_pods_own_image_counts_as_soon_as_it_is_known() -> None:
    columns = Columns()
    columns.world.add("cold", **cold())
    before = columns.seconds()["cold"]
    columns.world.add("warm")
    columns.world.add("warm", images=[image("registry.example/agent:v1.4.2", 64_000_000_000)])
    assert columns.seconds()["cold"] > before + 1_000


def test_a_settle_window_opens_again_when_the_clock_is_set_back() -> None:
    columns = Columns()
    columns.world.add("n1")
    columns.world.now += 45
    columns.world.fleet.containerd_start_changed(None, event(host="n1", at="2026-03-04T04:54:00Z"))
    assert columns.seconds()["n1"] > 40
    columns.world.now += 1_000
    assert columns.seconds()["n1"] == 40
    columns.world.now -= 1_000
    assert columns.seconds()["n1"] > 40


def test_a_node_that_is_not_ready_any_more_is_seen_though_its_images_are_the_same() -> None:
    columns = Columns()
    columns.world.add("n1")
    before = columns.seconds()["n1"]
    columns.world.add("n1", ready="False")
    assert columns.seconds()["n1"] > before


def test_seconds_change_with_the_time_while_a_node_boots() -> None:
    columns = Columns()
    columns.world.add("n1", ready="False", metadata={"creationTimestamp": "2026-03-04T04:53:00Z"})
    before = columns.seconds()["n1"]
    columns.world.now += 10
    assert columns.seconds()["n1"] != before


def test_a_fleet_may_outgrow_its_rows() -> None:
    columns = Columns()
    columns.world.add("first")
    columns.seconds()
    for number in range(3 * LEAST_CAPACITY):
        columns.world.add(f"n{number}")
    assert len(columns.seconds()) == 3 * LEAST_CAPACITY + 1


def test_so_many_changes_that_the_journal_was_cut_are_all_seen() -> None:
    columns = Columns()
    for name in ("n1", "n2"):
        columns.world.add(name)
    columns.seconds()
    for number in range(5 * LEAST_CAPACITY):
        columns.world.add("n1", images=[image(f"other:v{number}")])
        columns.roster.refresh()
    columns.world.add("n2", images=[])
    seconds = columns.seconds()
    assert (seconds["n1"] > 40, seconds["n2"] > 43) == (True, True)


def test_architectures_that_no_node_has_any_more_are_forgotten() -> None:
    columns = Columns()
    columns.world.add("steady", nodeInfo={"architecture": "arm64"})
    for number in range(10 * SPARE_ARCHITECTURES):
        columns.world.add("fickle", nodeInfo={"architecture": f"made-up-{number}"})
        columns.seconds()
    columns.world.remove("fickle")
    columns.seconds()
    assert len(columns.roster.architectures) <= 2 * SPARE_ARCHITECTURES
