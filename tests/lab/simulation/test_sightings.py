"""What the fleet's watch keeps of a pod's way to its binding."""

from __future__ import annotations

import msgspec
import pytest

from lab.simulation.pods import Pod
from lab.simulation.sightings import Sighting


def pod(*, gates: int = 0, nominated: str = "", unschedulable: bool = False) -> Pod:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}] if unschedulable else []
    document = {
        "metadata": {"name": "agent", "namespace": "tenant-a", "uid": "uid"},
        "spec": {"schedulingGates": [{"name": f"gate-{number}"} for number in range(gates)]},
        "status": {"nominatedNodeName": nominated, "conditions": conditions},
    }
    return msgspec.convert(document, Pod)


def sighting(*seen: tuple[float, Pod]) -> Sighting:
    found = Sighting("tenant-a", "agent", created_unix=100.0)
    for at, item in seen:
        found.note(item, at)
    return found


def test_a_pod_without_gates_never_waited_at_one() -> None:
    found = sighting((100.4, pod()), (103.0, pod()))
    assert (found.gated, found.gate_wall_seconds(110.0)) == (False, 0.0)


def test_the_wait_lasts_until_the_last_gate_is_gone() -> None:
    found = sighting((100.0, pod(gates=2)), (101.0, pod(gates=1)), (102.5, pod()), (104.0, pod()))
    assert (found.gated, found.gate_wall_seconds(110.0)) == (True, 2.5)


def test_a_pod_with_a_gate_waits_until_now() -> None:
    assert sighting((100.0, pod(gates=1))).gate_wall_seconds(107.0) == 7.0


def test_the_nomination_is_remembered_after_the_binding_cleared_it() -> None:
    assert sighting((100.0, pod(nominated="warm-1")), (101.0, pod())).nominated_node == "warm-1"


def test_only_unschedulable_and_nominated_is_stranded() -> None:
    found = sighting((100.0, pod(nominated="warm-1")), (101.0, pod(unschedulable=True)))
    assert found.longest_stranded_wall_seconds(110.0) == 0.0


def test_the_longest_time_stranded_counts_and_one_that_lasts_counts_too() -> None:
    stranded = pod(nominated="warm-1", unschedulable=True)
    over = sighting((100.0, stranded), (101.0, stranded), (103.0, pod(unschedulable=True)), (104.0, stranded))
    assert over.longest_stranded_wall_seconds(105.0) == pytest.approx(3.0)
    assert over.longest_stranded_wall_seconds(110.0) == pytest.approx(6.0)
