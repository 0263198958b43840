"""Arrivals: seeded, in order, the first at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from lab.scenarios.arrivals import arrivals


@given(pods=some.integers(1, 50), over=some.floats(0, 500), seed=some.integers())
def test_pods_arrive_in_order_from_0_to_the_end_of_the_time(pods: int, over: float, seed: int) -> None:
    moments = arrivals(pods, over, seed, "burst")
    assert len(moments) == pods
    assert moments == sorted(moments)
    assert moments[0] == 0
    assert moments[-1] <= over


def test_the_same_seed_and_story_give_the_same_arrivals() -> None:
    assert arrivals(20, 60, 1, "burst") == arrivals(20, 60, 1, "burst")


def test_another_seed_gives_other_arrivals() -> None:
    assert arrivals(20, 60, 1, "burst") != arrivals(20, 60, 2, "burst")
