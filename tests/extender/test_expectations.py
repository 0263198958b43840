"""Expected starts: what was scored and is not yet seen bound weighs on the nodes it may go to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.expectations import EXPECTED_SECONDS, ExpectedStarts

NODES = ("a", "b", "c", "d", "e", "f", "g")


def test_a_start_is_spread_over_the_tied_best() -> None:
    expected = ExpectedStarts()
    expected.expect("pod", ["a", "b", "c", "d"], now=0.0)
    assert [expected.on(name) for name in ("a", "d", "e")] == [0.25, 0.25, 0.0]


def test_a_pod_that_is_scored_again_counts_once() -> None:
    expected = ExpectedStarts()
    expected.expect("pod", ["a"], now=0.0)
    expected.expect("pod", ["b"], now=1.0)
    assert (expected.on("a"), expected.on("b")) == (0.0, 1.0)


def test_a_binding_that_is_seen_ends_the_expectation_once() -> None:
    expected = ExpectedStarts()
    expected.expect("pod", ["a", "b"], now=0.0)
    assert (expected.forget("pod"), expected.forget("pod"), expected.on("a")) == (True, False, 0.0)


@pytest.mark.parametrize(
    ("later", "left", "forgotten"), [(EXPECTED_SECONDS - 0.01, 1.0, 0), (EXPECTED_SECONDS, 0.0, 1)]
)
def test_an_expectation_ends_after_its_time(later: float, left: float, forgotten: int) -> None:
    expected = ExpectedStarts()
    expected.expect("pod", ["a"], now=10.0)
    assert (expected.expire(10.0 + later), expected.on("a")) == (forgotten, left)


def test_an_expectation_that_was_renewed_lives_from_its_renewal() -> None:
    expected = ExpectedStarts()
    expected.expect("renewed", ["a"], now=0.0)
    expected.expect("other", ["b"], now=1.0)
    expected.expect("renewed", ["a"], now=1.5)
    assert expected.expire(3.2) == 1
    assert (expected.on("a"), expected.on("b")) == (1.0, 0.0)


def test_a_pod_without_a_best_node_is_expected_nowhere() -> None:
    expected = ExpectedStarts()
    expected.expect("pod", [], now=0.0)
    assert expected.forget("pod") is False


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["p", "q", "r", "s"]),
        st.lists(st.sampled_from(NODES), unique=True, max_size=7),
        st.sampled_from(["expect", "expect", "forget", "expire"]),
        st.floats(0, 1.5),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_shares_add_up_to_the_pods_that_are_expected(steps: list[tuple[str, list[str], str, float]]) -> None:
    expected, alive, now = ExpectedStarts(), dict[str, float](), 0.0
    for uid, nodes, verb, passed in steps:
        now += passed
        if verb == "expire":
            expected.expire(now)
            alive = {uid: since for uid, since in alive.items() if since + EXPECTED_SECONDS > now}
        else:
            alive.pop(uid, None)
            if verb == "forget":
                expected.forget(uid)
            else:
                expected.expect(uid, nodes, now)
                alive |= {uid: now} if nodes else {}
        shares = [expected.on(name) for name in NODES]
        assert sum(shares) == pytest.approx(len(alive), abs=1e-6)
        assert min(shares) >= 0.0
    expected.expire(now + EXPECTED_SECONDS)
    assert [expected.on(name) for name in NODES] == [0.0] * len(NODES)
