"""What is counted of a burst."""

from __future__ import annotations

from benchmarks.bursts import Binding
from model import names
from tests.cluster.objects import pod


def test_a_binding_is_held_against_the_node_of_the_pods_forecast() -> None:
    bound = pod(on="n1", annotations={names.FORECAST_ANNOTATION: '{"node":"n2","seconds":43}'})
    assert Binding.of(bound, 3.0) == Binding(node="n1", promised="n2", at=3.0)


def test_a_pod_without_a_forecast_was_promised_nothing() -> None:
    assert Binding.of(pod(on="n1"), 3.0).promised == ""
