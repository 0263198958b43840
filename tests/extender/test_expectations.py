"""Expected starts: what was scored and is not yet seen bound weighs on the nodes it may go to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.columns import Rows
from extender.expectations import EXPECTED_SECONDS, ExpectedStarts, share_of

A, B, C, D, E = range(1, 6)
ROWS = (A, B, C, D, E)
CAPACITY = 8


def rows(*numbers: int) -> Rows:
    return np.array(numbers, np.intp)


def on(expected: ExpectedStarts, *numbers: int) -> list[float]:
    return expected.shares[list(numbers)].tolist()  # type: ignore[no-any-return]


def test_a_start_is_spread_over_the_tied_best() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(A, B, C, D), now=0.0)
    assert on(expected, A, D, E) == [0.25, 0.25, 0.0]


def test_a_node_that_is_named_twice_gets_one_share() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(A, A, B), now=0.0)
    assert on(expected, A, B) == [0.5, 0.5]


def test_a_pod_that_is_scored_again_counts_once() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(A), now=0.0)
    expected.expect("pod", rows(B), now=1.0)
    assert on(expected, A, B) == [0.0, 1.0]


def test_a_binding_that_is_seen_ends_the_expectation_once() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(A, B), now=0.0)
    assert (expected.forget("pod"), expected.forget("pod"), on(expected, A)) == (True, False, [0.0])


@pytest.mark.parametrize(
    ("later", "left", "forgotten"), [(EXPECTED_SECONDS - 0.01, 1.0, 0), (EXPECTED_SECONDS, 0.0, 1)]
)
def test_an_expectation_ends_after_its_time(later: float, left: float, forgotten: int) -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(A), now=10.0)
    assert (expected.expire(10.0 + later), on(expected, A)) == (forgotten, [left])


def test_an_expectation_that_was_renewed_lives_from_its_renewal() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("renewed", rows(A), now=0.0)
    expected.expect("other", rows(B), now=1.0)
    expected.expect("renewed", rows(A), now=1.5)
    assert expected.expire(3.2) == 1
    assert on(expected, A, B) == [1.0, 0.0]


def test_a_pod_without_a_best_node_is_expected_nowhere() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(), now=0.0)
    assert expected.forget("pod") is False


def test_a_row_that_was_vacated_keeps_what_comes_after() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("before", rows(A, B), now=0.0)
    expected.vacate(A)
    expected.expect("after", rows(A), now=0.0)
    assert on(expected, A, B) == [1.0, 0.5]
    expected.forget("before")
    assert on(expected, A, B) == [1.0, 0.0]


def test_a_row_that_came_and_went_unasked_may_be_vacated() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.vacate(CAPACITY + A)
    assert on(expected, A) == [0.0]


def test_more_rows_change_nothing_about_those_there_were() -> None:
    expected = ExpectedStarts(CAPACITY)
    expected.expect("pod", rows(A), now=0.0)
    expected.grow(2 * CAPACITY)
    assert on(expected, A, CAPACITY + A) == [1.0, 0.0]
    expected.forget("pod")
    assert on(expected, A) == [0.0]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["p", "q", "r", "s"]),
        st.lists(st.sampled_from(ROWS), unique=True),
        st.sampled_from(["expect", "expect", "forget", "expire"]),
        st.floats(0, 1.5),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_shares_are_those_of_the_pods_that_are_expected_and_nothing_is_left(
    steps: list[tuple[str, list[int], str, float]],
) -> None:
    expected, alive, now = ExpectedStarts(CAPACITY), dict[str, tuple[float, list[int]]](), 0.0
    for uid, numbers, verb, passed in steps:
        now += passed
        if verb == "expire":
            expected.expire(now)
            alive = {uid: item for uid, item in alive.items() if item[0] + EXPECTED_SECONDS > now}
        else:
            alive.pop(uid, None)
            if verb == "forget":
                expected.forget(uid)
            else:
                expected.expect(uid, rows(*numbers), now)
                alive |= {uid: (now, numbers)} if numbers else {}
        shares = [sum(share_of(len(spread)) for _, spread in alive.values() if row in spread) for row in ROWS]
        assert on(expected, *ROWS) == shares
    expected.expire(now + EXPECTED_SECONDS)
    assert on(expected, *ROWS) == [0.0] * len(ROWS)
