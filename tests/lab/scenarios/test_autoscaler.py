"""The autoscaler's decision: it sees Unschedulable pods alone, and takes nominated ones for served."""

from __future__ import annotations

import msgspec
import pytest

from lab.scenarios.autoscaler import Launches, is_seen, launch
from lab.simulation.pods import Pod

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}


def pod(name: str = "agent", *, nominated: str = "", gate: str = "", node: str = "", **condition: str) -> Pod:
    document = {
        "metadata": {"name": name, "namespace": "tenant-a", "uid": f"uid-{name}"},
        "spec": {"nodeName": node, "schedulingGates": [{"name": gate}] if gate else []},
        "status": {"nominatedNodeName": nominated, "conditions": [condition or UNSCHEDULABLE]},
    }
    return msgspec.convert(document, Pod)


@pytest.mark.parametrize(
    ("seen", "item"),
    [
        (True, pod()),
        (False, pod(nominated="warm-1")),
        (False, pod(gate="stoker.dev/warm-node", **GATED)),
        (False, pod(node="warm-1")),
        (False, pod(type="PodScheduled", status="True", reason="")),
    ],
    ids=["unschedulable", "nominated", "gated", "bound", "scheduled"],
)
def test_only_a_pod_that_no_node_can_take_is_seen(seen: bool, item: Pod) -> None:
    assert is_seen(item) is seen


def pods(count: int) -> list[Pod]:
    return [pod(f"agent-{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "nodes"), [(0, 0), (1, 1), (12, 1), (13, 2), (100, 4)], ids=["none", "one", "full", "more", "the most"]
)
def test_as_many_machines_are_launched_as_the_pods_need(count: int, nodes: int) -> None:
    assert launch(pods(count), Launches(), slots=12, most=4).nodes == nodes


def test_a_pod_that_a_machine_is_on_its_way_for_launches_no_other() -> None:
    first = launch(pods(5), Launches(), slots=12, most=4)
    assert launch(pods(5), first, slots=12, most=4) == first


def test_later_pods_take_the_room_that_is_left_on_machines_on_their_way() -> None:
    first = launch(pods(5), Launches(), slots=12, most=4)
    assert launch(pods(12), first, slots=12, most=4).nodes == 1
    assert launch(pods(13), first, slots=12, most=4).nodes == 2


def test_machines_without_room_for_the_pods_are_not_launched() -> None:
    assert launch(pods(5), Launches(), slots=0, most=4) == Launches()
