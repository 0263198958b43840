"""Resources: what the scheduler counts for a pod, and whether it fits."""

from __future__ import annotations

import pytest

from model.errors import InvalidInput
from model.resources import ContainerRequests, lacking, pod_amounts, reduced, room


def main(**requests: str) -> ContainerRequests:
    return ContainerRequests(requests)


def init(**requests: str) -> ContainerRequests:
    return ContainerRequests(requests, is_init=True)


def sidecar(**requests: str) -> ContainerRequests:
    return ContainerRequests(requests, is_init=True, is_sidecar=True)


@pytest.mark.parametrize(
    ("containers", "cpu"),
    [
        ([main(cpu="1")], 1_000),
        ([main(cpu="1"), main(cpu="500m")], 1_500),
        ([init(cpu="3"), main(cpu="1"), main(cpu="1")], 3_000),
        ([init(cpu="3"), init(cpu="1"), main(cpu="1")], 3_000),
        ([sidecar(cpu="1"), main(cpu="2")], 3_000),
        ([sidecar(cpu="1"), init(cpu="3"), main(cpu="2")], 4_000),  # the init container runs beside the sidecar
        ([init(cpu="3"), sidecar(cpu="1"), main(cpu="1")], 3_000),  # and not beside one that starts after it
    ],
)
def test_the_larger_of_init_and_what_runs_in_the_end_counts(containers: list[ContainerRequests], cpu: int) -> None:
    assert dict(pod_amounts(containers))["cpu"] == cpu


def test_each_resource_has_a_maximum_of_its_own() -> None:
    amounts = dict(pod_amounts([init(cpu="3", memory="1Gi"), main(cpu="1", memory="2Gi")]))
    assert (amounts["cpu"], amounts["memory"]) == (3_000, 2 * 1024**3)


def test_the_overhead_is_added_and_the_pod_itself_is_one_of_the_nodes_pods() -> None:
    assert pod_amounts([main(cpu="2")], {"cpu": "250m", "memory": "160Mi"}) == (
        ("cpu", 2_250),
        ("memory", 160 * 1024**2),
        ("pods", 1),
    )


def test_requests_of_the_pod_as_a_whole_replace_those_of_its_containers() -> None:
    amounts = dict(pod_amounts([main(cpu="2", memory="1")], {"cpu": "250m"}, {"cpu": "1"}))
    assert (amounts["cpu"], amounts["memory"]) == (1_250, 1)


def test_what_is_asked_for_in_no_amount_does_not_count() -> None:
    assert pod_amounts([main(cpu="0")]) == (("pods", 1),)


def test_a_quantity_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput):
        pod_amounts([main(cpu="lots")])


@pytest.mark.parametrize(
    ("free", "missing"),
    [
        ({"cpu": 1_000, "pods": 1, "example.com/fpga": 1}, ""),
        ({"cpu": 999, "pods": 1, "example.com/fpga": 1}, "cpu"),
        ({"cpu": 1_000, "pods": 1}, "example.com/fpga"),
        ({"cpu": 1_000, "pods": 0, "example.com/fpga": 1}, "pods"),
        ({}, "cpu"),
    ],
)
def test_the_first_resource_that_does_not_fit_is_named(free: dict[str, int], missing: str) -> None:
    wanted = pod_amounts([ContainerRequests({"cpu": "1", "example.com/fpga": "1"})])
    assert lacking(wanted, free) == missing


def test_a_node_that_is_overcommitted_still_takes_a_pod_that_asks_for_none_of_it() -> None:
    assert lacking((("pods", 1),), {"cpu": -500, "pods": 3}) == ""


def test_room_is_what_the_pods_leave() -> None:
    pod = (("cpu", 600), ("pods", 1))
    left = room({"cpu": 1_000, "pods": 10}, [pod, pod])
    assert left == {"cpu": -200, "pods": 8}
    assert reduced(left, pod) == {"cpu": -800, "pods": 7}
    assert left == {"cpu": -200, "pods": 8}
