"""Scores: whole numbers from 0 to 10, the same for what a user cannot tell apart, and monotone in the seconds."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.score import score, scores

SECONDS = st.floats(0, 1e9, allow_nan=False)


@pytest.mark.parametrize(
    ("excess", "points"),
    [
        (0, 10),
        (1.9, 10),
        (2, 10),
        (2.1, 9),
        (4, 9),
        (4.1, 8),
        (8, 8),
        (17, 6),
        (40.3, 5),
        (512, 2),
        (1024, 1),
        (1e9, 1),
    ],
)
def test_each_doubling_of_the_excess_costs_a_point(excess: float, points: int) -> None:
    assert score(43.0 + excess, 43.0) == points


@given(st.lists(st.none() | SECONDS, max_size=30))
def test_every_node_gets_a_whole_number_from_0_to_10(seconds: list[float | None]) -> None:
    result = scores(seconds)
    assert len(result) == len(seconds)
    assert all(type(points) is int and 0 <= points <= 10 for points in result)


@given(st.lists(SECONDS, min_size=1, max_size=30))
def test_fewer_seconds_never_score_less(seconds: list[float]) -> None:
    ranked = [points for _, points in sorted(zip(seconds, scores(seconds), strict=True))]
    assert ranked == sorted(ranked, reverse=True)


@given(st.lists(SECONDS, min_size=1, max_size=30))
def test_the_best_and_all_within_two_seconds_of_it_score_10_and_nobody_else(seconds: list[float]) -> None:
    best = min(seconds)
    assert [points == 10 for points in scores(seconds)] == [value - best <= 2.0 for value in seconds]


@given(st.lists(st.none() | SECONDS, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(seconds: list[float | None], shuffler: random.Random) -> None:
    order = list(range(len(seconds)))
    shuffler.shuffle(order)
    shuffled = scores([seconds[index] for index in order])
    assert shuffled == [scores(seconds)[index] for index in order]


@given(st.lists(st.none() | SECONDS, max_size=30))
def test_0_is_for_the_impossible_alone(seconds: list[float | None]) -> None:
    assert [points == 0 for points in scores(seconds)] == [value is None for value in seconds]
