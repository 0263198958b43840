from __future__ import annotations

from datetime import timedelta

import pytest

from certs.authority import BACKDATE
from certs.renewal import is_due, renewal_time
from tests.certs.builders import NOW, authority, leaf

LIFETIME = timedelta(days=6)
CA = authority()
LEAF = leaf(CA, lifetime=LIFETIME)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (timedelta(0), False),
        (LIFETIME * 2 / 3 - BACKDATE, False),
        (LIFETIME * 2 / 3, True),
        (LIFETIME, True),
        (timedelta(days=400), True),
        (-BACKDATE, False),
        (-BACKDATE - timedelta(seconds=1), True),
    ],
)
def test_a_leaf_is_due_from_two_thirds_of_its_life_and_before_it_is_valid(after: timedelta, due: bool) -> None:
    assert is_due(LEAF, CA.pair.certificate, NOW + after) is due


def test_the_backdated_day_belongs_to_its_life() -> None:
    assert renewal_time(LEAF.certificate) == NOW - BACKDATE + (LIFETIME + BACKDATE) * 2 / 3


def test_without_a_leaf_one_is_due() -> None:
    assert is_due(None, CA.pair.certificate, NOW)


def test_a_leaf_of_another_authority_is_due_though_both_have_one_name() -> None:
    assert is_due(LEAF, authority().pair.certificate, NOW)
