"""Whoever reads the log learns that the process stood still, or that the clock was set."""

from __future__ import annotations

import logging

import pytest

from serving.pulse import Beat, irregularities, watch_time

LAST = Beat(wall=1_000.0, steady=50.0)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Beat(1_001.0, 51.0), []),
        (Beat(1_003.5, 53.5), []),
        (Beat(1_061.0, 111.0), [("suspended", 60.0)]),
        (Beat(4_601.0, 51.0), [("clock-set", 3_600.0)]),
        (Beat(-2_599.0, 51.0), [("clock-set", -3_600.0)]),
        (Beat(4_661.0, 111.0), [("suspended", 60.0), ("clock-set", 3_600.0)]),
    ],
)
def test_only_what_is_longer_than_a_busy_machine_makes_it_is_told(now: Beat, expected: list[tuple[str, float]]) -> None:
    assert [(item.kind, item.seconds) for item in irregularities(LAST, now)] == expected


async def test_a_process_that_did_not_run_says_for_how_long(caplog: pytest.LogCaptureFixture) -> None:
    beats = iter([0.0, 61.0])

    class Over(Exception):
        """The end of the test."""

    async def sleep(_: float) -> None:
        if caplog.records:
            raise Over

    with pytest.raises(Over):
        await watch_time(wall=lambda: 0.0, steady=lambda: next(beats, 61.0), sleep=sleep)
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert told[0].getMessage() == "this process did not run"
    assert told[0].__dict__["fields"] == {"seconds": "+60.0"}
