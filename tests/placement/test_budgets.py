"""The budget of simultaneous starts, from the contention term."""

from __future__ import annotations

from math import inf

import pytest

from placement.budgets import start_budget
from tests.placement.fleets import contended


@pytest.mark.parametrize(
    ("milliseconds", "budget"),
    [(0, inf), (1, 2_001), (100, 21), (500, 5), (1_999, 2), (2_000, 2), (2_001, 1), (60_000, 1)],
)
def test_as_many_starts_as_keep_their_contention_within_the_tie(milliseconds: int, budget: float) -> None:
    assert start_budget(contended(milliseconds).spec) == budget
