"""The machines of a story: what omniscience foresees of each."""

from __future__ import annotations

from math import inf

import pytest

from lab.scenarios.machines import Foresight, Machine
from tests.lab.scenarios.stories import constants, machine, story


def foreseen(name: str) -> dict[str, Machine]:
    return {item.name: item for item in Foresight(constants(), story(name)).machines()}


def test_a_fleet_has_a_machine_for_each_of_its_nodes() -> None:
    assert len(foreseen("burst")) == sum(group.count for group in story("burst").fleet)


def test_kata_comes_after_its_image_was_pulled_and_pulls_stall_then() -> None:
    node = foreseen("mixed-fleet")["no-kata-1"]
    seconds = (5 + 1_696 / 32) * node.disk_factor + 2
    assert node.installed == pytest.approx(seconds)
    assert node.stalls[0] == pytest.approx((seconds, seconds + 140))


def test_what_happened_before_the_story_has_a_negative_moment() -> None:
    assert foreseen("mixed-fleet")["installed-1"].installed == -20
    assert foreseen("mixed-fleet")["restarted-1"].outages == ((-1, 3),)


def test_what_happened_before_the_story_is_older_where_the_scene_was_set_earlier() -> None:
    machines = Foresight(constants(), story("mixed-fleet"), scene_seconds=12).machines()
    assert next(item for item in machines if item.name == "installed-1").installed == -32


def test_a_machine_that_joins_takes_pods_when_it_has_booted() -> None:
    node = foreseen("cold-join")["joining-1"]
    assert node.opens == pytest.approx(55)
    assert not node.images
    assert node.installed == pytest.approx(35 + (5 + 1_696 / 32) * node.disk_factor + 2)


def test_machines_that_are_taken_away_have_no_room() -> None:
    assert [name for name, node in foreseen("cordon").items() if not node.slots] == ["warm-1", "warm-2"]
    assert {name for name, node in foreseen("zone-loss").items() if not node.slots} == {
        "warm-1",
        "warm-4",
        "no-image-1",
    }


def test_a_roll_out_restarts_containerd_node_after_node() -> None:
    moments = [node.outages[0][0] for node in foreseen("rollout").values()]
    assert moments == [5 + 15 * number for number in range(len(moments))]


@pytest.mark.parametrize(
    ("node", "at", "accepts"),
    [
        (machine(), 7.0, 7.0),
        (machine(opens=55.0), 7.0, 55.0),
        (machine(outages=((5.0, 9.0),)), 7.0, 9.0),
        (machine(outages=((5.0, 9.0), (8.0, 12.0))), 7.0, 12.0),
        (machine(installed=50.0, outages=((50.0, 54.0),)), 7.0, 54.0),
        (machine(installed=inf), 7.0, inf),
    ],
    ids=["warm", "booting", "in an outage", "in two", "before kata", "without kata"],
)
def test_a_machine_accepts_pods_as_soon_as_sandboxes_work(node: Machine, at: float, accepts: float) -> None:
    assert node.accepts_from(at) == accepts
