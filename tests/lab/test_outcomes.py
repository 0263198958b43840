from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.outcomes import percentile, summarise
from tests.lab.outcomes import others, outcome

SECONDS = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1).map(sorted)


@pytest.mark.parametrize(
    ("ordered", "share", "expected"),
    [
        ([7.0], 0.5, 7.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([1.0, 2.0, 3.0, 4.0], 0.75, 3.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
        ([float(n) for n in range(1, 41)], 0.95, 38.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_a_percentile_is_of_the_nearest_rank(ordered: list[float], share: float, expected: float) -> None:
    assert percentile(ordered, share) == expected


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 0.5) is None


@given(SECONDS, st.floats(min_value=0.01, max_value=1))
def test_the_share_of_all_does_not_exceed_its_percentile(ordered: list[float], share: float) -> None:
    value = percentile(ordered, share)
    assert value in ordered
    assert sum(item <= value for item in ordered) >= share * len(ordered) - 1e-9


@given(SECONDS)
def test_percentiles_rise_with_their_share(ordered: list[float]) -> None:
    found = [percentile(ordered, share) for share in (0.5, 0.95, 0.99)]
    assert found == sorted(value for value in found if value is not None)


def test_only_tenants_pods_are_summarised() -> None:
    pods = [outcome(ready_seconds=43.0), others(ready_seconds=1.0, failed_sandboxes=3)]
    assert summarise(pods, 600.0).as_json() == {
        "p50_seconds": 43.0,
        "p95_seconds": 43.0,
        "p99_seconds": 43.0,
        "failed_sandboxes": 0,
        "pending": 0,
    }


def test_a_pod_that_never_became_ready_counts_with_the_seconds_waited() -> None:
    summary = summarise([outcome(ready_seconds=43.0), outcome(ready_seconds=None, failed_sandboxes=9)], 600.0)
    assert (summary.p50_seconds, summary.p99_seconds) == (43.0, 600.0)
    assert (summary.pending, summary.failed_sandboxes) == (1, 9)


def test_a_refused_pod_is_neither_pending_nor_in_the_percentiles() -> None:
    summary = summarise([outcome(), outcome(node=None, ready_seconds=None, refused="no such profile")], 600.0)
    assert (summary.pending, summary.p99_seconds) == (0, 43.0)


def test_a_mode_without_tenants_has_no_seconds() -> None:
    assert summarise([others()], 600.0).as_json()["p50_seconds"] is None


def test_seconds_are_reported_with_two_decimals() -> None:
    assert outcome(ready_seconds=43.4567).as_json()["ready_seconds"] == 43.46
