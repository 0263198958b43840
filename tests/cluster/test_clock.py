"""Times of the API in the forecast's clock: the end of the second they are cut to, and None for what is no time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.clock import Clock

NEW_YEAR = 1_767_225_600.0


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR + 1),
        ("2026-01-01T01:00:00+01:00", NEW_YEAR + 1),
        ("2026-01-01T00:00:00.250000Z", NEW_YEAR + 0.25),
        ("2026-01-01T00:00:00", NEW_YEAR + 1),  # without a zone, as people write annotations: UTC
        ("0001-01-01T00:00:00Z", -62_135_596_799.0),  # Go's zero time
        ("0001-01-01", -62_135_596_799.0),
        (None, None),
        ("", None),
        ("a moment ago", None),
        ("2026-02-30T00:00:00Z", None),
    ],
)
def test_a_time_is_the_latest_moment_it_can_mean(text: str | None, instant: float | None) -> None:
    assert Clock().instant(text) == instant


@given(
    st.text(max_size=30)
    | st.datetimes().map(str)
    | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.{0,7}", fullmatch=True)
)
def test_any_text_is_a_time_or_none(text: str) -> None:
    instant = Clock().instant(text)
    assert instant is None or -1e12 < instant < 1e12


def test_compressed_time_multiplies_now_and_every_instant() -> None:
    clock = Clock(20.0, wall=lambda: NEW_YEAR)
    assert (clock.now(), clock.instant("2026-01-01T00:00:00Z")) == (20 * NEW_YEAR, 20 * (NEW_YEAR + 1))
