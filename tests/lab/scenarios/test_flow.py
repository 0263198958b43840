"""The assignment is the least there is: held against trying everything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lab.scenarios.flow import least_cost_nodes

SECONDS = some.integers(0, 50).map(float)
ROWS = some.integers(1, 3).flatmap(
    lambda nodes: some.lists(some.lists(SECONDS, min_size=nodes, max_size=nodes), min_size=1, max_size=5)
)


def congestion(pods: int) -> float:
    """Rises by 3 from the second pod on."""
    return 3.0 * (pods - 1)


def total(costs: Sequence[Sequence[float]], places: Sequence[int | None]) -> float:
    found = 0.0
    for node in range(len(costs[0])):
        pods = [pod for pod, place in enumerate(places) if place == node]
        found += sum(costs[pod][node] for pod in pods) + sum(congestion(number) for number in range(1, len(pods) + 1))
    return found


def least(costs: Sequence[Sequence[float]], slots: Sequence[int]) -> float:
    ways = product(range(len(slots)), repeat=len(costs))
    fitting = (way for way in ways if all(way.count(node) <= room for node, room in enumerate(slots)))
    return min((total(costs, way) for way in fitting), default=inf)


@given(costs=ROWS, rooms=some.lists(some.integers(0, 3), min_size=3, max_size=3))
def test_no_other_assignment_costs_less(costs: list[list[float]], rooms: list[int]) -> None:
    slots = rooms[: len(costs[0])]
    places = least_cost_nodes(costs, slots, congestion)
    assert all(places.count(node) <= room for node, room in enumerate(slots))
    if sum(slots) >= len(costs):
        assert total(costs, places) == pytest.approx(least(costs, slots))
    else:
        assert places.count(None) == len(costs) - sum(slots)


def test_a_pod_does_not_go_where_it_cannot() -> None:
    assert least_cost_nodes([[inf, 5.0], [inf, 1.0]], [2, 1]) in ([1, None], [None, 1])
