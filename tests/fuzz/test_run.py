"""What the long run says of its jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.measures import Measures
from tests.fuzz.run import Job, judge

FINE: dict[str, Any] = {
    "inputs": 50_000,
    "seconds": 10.0,
    "slowest_seconds": 0.1,
    "blocks_grown": 300,
    "resident_mebibytes_grown": 2.0,
}
JOB = Job("pods", "atheris", 50_000, (), Path("figures"), Path("log"))


def test_a_run_that_held_tells_its_rate() -> None:
    outcome = judge(JOB, 0, FINE)
    assert (outcome.broken, outcome.inputs_per_second) == ("", 5_000.0)


@pytest.mark.parametrize(
    ("status", "figures", "told"),
    [
        (77, {}, "status 77"),
        (0, {"inputs": 49_000}, "49000 inputs of 50000"),
        (0, {"slowest_seconds": 0.6}, "an input took 0.6 s"),
        (0, {"blocks_grown": 10_501}, "10501 blocks of memory more"),
        (0, {"resident_mebibytes_grown": 80.0}, "80 MiB of memory more"),
    ],
)
def test_whatever_does_not_hold_is_told(status: int, figures: dict[str, Any], told: str) -> None:
    assert judge(JOB, status, {**FINE, **figures}).broken == told


@pytest.mark.parametrize(("seconds", "held"), [(0.9, True), (1.1, False)])
def test_where_processes_wait_for_processors_an_input_may_take_longer(seconds: float, held: bool) -> None:
    assert (judge(JOB, 0, {**FINE, "slowest_seconds": seconds}, load=2.0).broken == "") is held


def test_a_processor_that_is_idle_half_the_time_shortens_nothing() -> None:
    assert judge(JOB, 0, {**FINE, "slowest_seconds": 0.4}, load=0.5).broken == ""


def test_a_process_that_told_nothing_did_not_hold() -> None:
    assert judge(JOB, 1, {}).broken == "status 1; 0 inputs of 50000"


def test_memory_is_judged_after_a_quarter_of_the_inputs(tmp_path: Path) -> None:
    memory = iter([(1_000, 10.0), (5_000, 50.0), (5_500, 51.0), (5_200, 51.0)])
    measures = Measures(tmp_path / "figures.json", 8_000, lambda: next(memory))
    for _ in range(4_000):
        measures.took(0.001, b"")
    told = (tmp_path / "figures.json").read_text()
    assert '"blocks_grown": 200' in told
    assert '"resident_mebibytes_grown": 1.0' in told
