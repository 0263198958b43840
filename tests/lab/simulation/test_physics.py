"""How long things take in the simulation."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.constants import Constants, load_constants
from lab.simulation.physics import Physics


def physics(**tables: dict[str, object]) -> Physics:
    """Of the shipped constants with keys of these tables replaced."""
    document = load_constants().model_dump()
    for name, keys in tables.items():
        document[name] |= keys
    return Physics(Constants.model_validate(document))


@pytest.mark.parametrize(
    ("gigabytes", "present", "disk_factor", "expected"),
    [
        (1.13, False, 1.0, 5 + 35.3125),
        (1.13, False, 2.0, 2 * (5 + 35.3125)),
        (0.432, False, 1.0, 5 + 13.5),
        (0.0, False, 1.0, 5),
        (1.13, True, 2.0, 0.13),
    ],
)
def test_a_pull_costs_a_fixed_time_and_its_bytes(
    gigabytes: float, present: bool, disk_factor: float, expected: float
) -> None:
    work = physics(pull={"fixed_seconds": 5, "megabytes_per_second": 32, "manifest_check_seconds": 0.13}).pull_work(
        int(gigabytes * 1e9), present=present, disk_factor=disk_factor
    )
    assert work.fixed_seconds + work.transfer_seconds == pytest.approx(expected)


@pytest.mark.parametrize(("starting", "expected"), [(1, 33), (4, 33), (5, 33.5), (14, 38)])
def test_starts_beyond_the_free_ones_slow_an_application(starting: int, expected: float) -> None:
    contended = physics(contention={"free_starts": 4, "seconds_per_extra_start": 0.5})
    assert contended.application_seconds(33, starting=starting) == pytest.approx(expected)


def test_a_slow_disk_slows_an_application_by_its_factor() -> None:
    assert physics().application_seconds(33, starting=1, disk_factor=1.5) == pytest.approx(49.5)


@pytest.mark.parametrize(
    ("factor", "failures", "draw", "expected"),
    [
        (1, 1, 0.0, 10),
        (1, 7, 0.0, 10),
        (1, 1, 1.0, 15),
        (2, 1, 0.0, 10),
        (2, 3, 0.0, 40),
        (2, 9, 0.0, 300),
        (2, 9_999, 0.5, 375),
    ],
)
def test_retries_wait_longer_by_the_factor_up_to_the_maximum(
    factor: float, failures: int, draw: float, expected: float
) -> None:
    patient = physics(
        sandbox={"retry_seconds": 10, "retry_factor": factor, "retry_max_seconds": 300, "retry_jitter": 0.5}
    )
    assert patient.retry_seconds(failures, draw) == pytest.approx(expected)


def test_a_kata_sandbox_boots_slower_while_containerd_settles() -> None:
    settling = physics(settling={"sandbox_factor": 1.5})
    calm = settling.sandbox_seconds("kata-qemu", settling=False)
    assert settling.sandbox_seconds("kata-qemu", settling=True) == pytest.approx(1.5 * calm)
    assert settling.sandbox_seconds("", settling=False) < calm


@given(st.text(max_size=20), st.text(max_size=20))
def test_the_same_pod_meets_the_same_luck_again(namespace: str, name: str) -> None:
    assert physics().noise(namespace, name) == physics().noise(namespace, name)


def test_the_luck_of_a_pull_is_that_of_its_node_and_image() -> None:
    assert physics().pull_noise("warm-1", "agent:1") == physics().pull_noise("warm-1", "agent:1")
    assert physics().pull_noise("warm-1", "agent:1") != physics().pull_noise("warm-2", "agent:1")
    assert physics().pull_noise("warm-1", "agent:1") != physics().pull_noise("warm-1", "agent:2")


def test_another_seed_is_other_luck() -> None:
    document = load_constants().model_dump()
    other = Physics(Constants.model_validate({**document, "seed": document["seed"] + 1}))
    assert other.noise("pod") != physics().noise("pod")


def test_noise_spreads_around_one_by_its_sigma() -> None:
    noisy = physics(noise={"sigma": 0.05})
    draws = [noisy.noise(str(number)) for number in range(2_000)]
    assert median(draws) == pytest.approx(1, abs=0.01)
    assert sum(0.95 < draw < 1.05 for draw in draws) / len(draws) == pytest.approx(0.68, abs=0.04)


def test_without_noise_nothing_is_left_to_chance() -> None:
    assert physics(noise={"sigma": 0}).noise("pod") == 1


@pytest.mark.parametrize(("share", "slow"), [(0.0, 0), (1.0, 500), (0.2, 100)])
def test_a_share_of_the_nodes_has_slow_disks(share: float, slow: int) -> None:
    fleet = physics(disks={"slow_share": share, "slow_factor": 1.25})
    assert sum(fleet.disk_factor(f"node-{number}") > 1 for number in range(500)) == pytest.approx(slow, abs=30)


@given(st.text(max_size=20))
def test_an_image_is_listed_between_the_bounds(image: str) -> None:
    assert (
        15 <= physics(report={"refresh_min_seconds": 15, "refresh_max_seconds": 30}).refresh_seconds("n", image) <= 30
    )
