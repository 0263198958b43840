"""What a watch on a burst counts as its first write and as its last binding."""

from __future__ import annotations

from typing import Any

from benchmarks.bursts import Sighting, seconds_to_bind
from cluster import wire
from model import names
from tests.cluster.objects import pod

GATES = {"schedulingGates": [{"name": names.WARM_NODE_GATE}]}


def gated(**status: Any) -> wire.Pod:
    return pod(spec=GATES, **status)


def sighting(first_write: float, bound: float) -> Sighting:
    return Sighting(first_write=first_write, bound=bound)


def test_a_gated_pod_has_not_been_written() -> None:
    subject = Sighting()
    subject.see(gated(), 1.0)
    assert (subject.first_write, subject.bound) == (None, None)


def test_a_nomination_is_the_first_write_and_the_opened_gate_is_no_other() -> None:
    subject = Sighting()
    subject.see(gated(nominatedNodeName="n1"), 1.0)
    subject.see(pod(nominatedNodeName="n1"), 2.0)
    assert subject.first_write == 1.0


def test_without_a_nomination_the_opened_gate_is_the_first_write() -> None:
    subject = Sighting()
    subject.see(gated(), 1.0)
    subject.see(pod(), 2.0)
    assert subject.first_write == 2.0


def test_the_first_sight_of_a_binding_counts_and_is_held_against_the_forecast() -> None:
    subject = Sighting()
    bound = pod(spec={"nodeName": "n1"}, annotations={names.FORECAST_ANNOTATION: '{"node":"n2","seconds":43}'})
    subject.see(bound, 3.0)
    subject.see(bound, 4.0)
    assert (subject.bound, subject.node, subject.promised) == (3.0, "n1", "n2")


def test_a_burst_lasts_from_its_first_write_to_its_last_binding() -> None:
    assert seconds_to_bind([sighting(10.0, 10.5), sighting(11.0, 14.0), sighting(10.2, 12.0)]) == 4.0
