"""The replay follows the simulation's physics: the benchmarks' figures come out of it."""

from __future__ import annotations

import pytest

from lab.scenarios.laws import Candidate, Laws
from lab.scenarios.machines import Machine
from lab.scenarios.replay import Replay, Start
from model.images import canonical_image
from tests.lab.scenarios.stories import APPLICATION, IMAGES, candidate, candidates, constants, machine

LAWS = Laws(constants(contention={"free_starts": 4, "seconds_per_extra_start": 0.25}))
PULL = 5 + 1_130 / 32
"""Of the application's image: fixed seconds and 1.13 GB at 32 MB/s."""


def replay(node: Machine, *bindings: tuple[Candidate, float]) -> list[Start]:
    return Replay(LAWS, node).run(bindings)


@pytest.mark.parametrize(
    ("node", "seconds"),
    [
        (machine(), 3 + 3 + 33 + 4),
        (machine(architecture="arm64"), 3 + 3 + 50 + 4),
        (machine(disk_factor=1.25), 3 + 3 + 33 * 1.25 + 4),
        (machine(images=IMAGES - {canonical_image(APPLICATION)}), 3 + 3 + PULL + 33 + 4),
        (machine(stalls=((0.0, 17.0),)), 3 * 1.5 + 3 + 33 + 4),
        (machine(stalls=((0.0, 17.0),), images=IMAGES - {canonical_image(APPLICATION)}), 17 + PULL + 33 + 4),
    ],
    ids=["warm", "arm64", "slow disk", "image missing", "settling", "settling, image missing"],
)
def test_a_start_takes_the_seconds_of_its_stages(node: Machine, seconds: float) -> None:
    (start,) = replay(node, (candidate(), 0.0))
    assert start == Start(pytest.approx(seconds), 0)  # type: ignore[arg-type]  # approx stands for a float


def test_policy_always_pays_for_the_manifests() -> None:
    (start,) = replay(machine(), (candidate(always_pulls=True), 0.0))
    assert start.ready == pytest.approx(43 + 2 * 0.13)


def test_the_second_pod_finds_the_image_that_the_first_pulled() -> None:
    node = machine(images=IMAGES - {canonical_image(APPLICATION)})
    first, second = replay(node, *((pod, 0.0) for pod in candidates(0, 0)))
    assert first.ready == pytest.approx(43 + PULL)
    assert second.ready == pytest.approx(43 + PULL + 0.13)


def test_a_pull_takes_the_same_seconds_whichever_pod_asks_for_it() -> None:
    laws = Laws(constants(noise={"sigma": 0.5}))
    bare = machine(images=IMAGES - {canonical_image(APPLICATION)})
    pulls = [
        Replay(laws, bare).run([(pod, 0.0)])[0].ready - Replay(laws, machine()).run([(pod, 0.0)])[0].ready
        for pod in candidates(0, 0)
    ]
    assert pulls[0] == pytest.approx(pulls[1])
    assert pulls[0] != pytest.approx(PULL)


def test_starts_beyond_the_free_ones_slow_each_other() -> None:
    starts = replay(machine(), *((pod, 0.0) for pod in candidates(*[0] * 6)))
    assert {round(start.ready, 3) for start in starts} == {43 + 2 * 0.25}


def test_a_sandbox_fails_in_an_outage_and_is_tried_again() -> None:
    (start,) = replay(machine(outages=((0.0, 4.0),)), (candidate(), 1.0))
    assert start == Start(pytest.approx(1 + 10.2 + 43), 1)  # type: ignore[arg-type]  # approx stands for a float


def test_a_restart_of_containerd_holds_up_a_pull_that_runs() -> None:
    node = machine(images=IMAGES - {canonical_image(APPLICATION)}, outages=((20.0, 24.0),))
    (start,) = replay(node, (candidate(), 0.0))
    assert start.ready == pytest.approx(43 + PULL + 4)


def test_where_kata_never_comes_a_pod_is_never_ready() -> None:
    (start,) = replay(machine(installed=float("inf")), (candidate(), 0.0))
    assert start.ready == float("inf")
