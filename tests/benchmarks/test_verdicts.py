"""How the rounds of the benches become figures."""

from __future__ import annotations

import pytest

from benchmarks.creation import Additions
from benchmarks.creation import judge as judge_creations
from benchmarks.endurance import HOUR_CHANGES, floor_after
from benchmarks.load import Answers
from benchmarks.questions import compared, p99
from benchmarks.scheduling import judge as judge_schedulers


def answers(*milliseconds: float) -> Answers:
    return Answers(tuple(sorted(milliseconds)), 1.0, sent=len(milliseconds))


def test_rounds_are_compared_by_the_medians_of_their_medians() -> None:
    found = compared([answers(1, 2, 3), answers(2), answers(90)], [answers(4), answers(4), answers(1)], 0.5)
    assert (found.ours, found.theirs, found.held) == (2, 4, True)


def test_rounds_can_be_compared_by_their_slowest_answers() -> None:
    assert compared([answers(1, 2, 30)], [answers(4, 10)], 0.75, of=p99).ratio == 3.0


def test_what_a_webhook_adds_is_what_exceeds_a_create_without_one() -> None:
    found = judge_creations([Additions(plain=2.0, ours=1.8, theirs=2.0)])
    assert (found.first.ratio, found.held) == (0.9, True)


def test_both_ways_of_sampling_must_hold() -> None:
    rounds = {"ours_sample": [100.0], "theirs_sample": [100.0], "ours_every_node": [10.0], "theirs_every_node": [20.0]}
    found = judge_schedulers(rounds)
    assert (found.first.held, found.further["every_node"].held, found.held) == (True, False, False)


@pytest.mark.parametrize(
    ("changes", "floor"), [(HOUR_CHANGES, 1.05), (HOUR_CHANGES // 5, 1.01), (2 * HOUR_CHANGES, 1.05)]
)
def test_of_the_growth_that_an_hour_may_bring_fewer_changes_may_bring_their_share(changes: int, floor: float) -> None:
    assert floor_after(changes) == floor
