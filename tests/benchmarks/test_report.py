"""The report's shape, and what makes a benchmark hold."""

from __future__ import annotations

import pytest

from benchmarks.report import Bench, Comparison, middle, report, show


def comparison(ours: float = 120.0, theirs: float = 30.0, floor: float = 4.0) -> Comparison:
    return Comparison(ours, theirs, floor)


@pytest.mark.parametrize(("ours", "held"), [(120.0, True), (119.9, False), (121.0, True)])
def test_a_comparison_holds_from_its_floor_on(ours: float, held: bool) -> None:
    assert comparison(ours).held is held


@pytest.mark.parametrize(
    ("bench", "held"),
    [
        (Bench("b", comparison()), True),
        (Bench("b", comparison(ours=1.0)), False),
        (Bench("b", comparison(), further={"other": comparison(ours=1.0)}), False),
        (Bench("b", comparison(), claims={"right": False}), False),
        (Bench("b", comparison(), further={"other": comparison()}, claims={"right": True}), True),
    ],
)
def test_a_bench_holds_only_with_every_comparison_and_every_claim(bench: Bench, held: bool) -> None:
    assert (bench.held, bench.as_json()["held"]) == (held, held)


def test_the_report_has_the_shape_that_others_read() -> None:
    bench = Bench("b", comparison(), {"other": comparison(floor=9.0)}, {"right": True}, {"unit": "pods per second"})
    found = report([bench])
    assert {"processors", "kubernetes", "load"} <= found["machine"].keys()
    assert found["benches"] == [
        {
            "name": "b",
            "ours": 120.0,
            "theirs": 30.0,
            "ratio": 4.0,
            "floor": 4.0,
            "held": False,
            "other": {"ours": 120.0, "theirs": 30.0, "ratio": 4.0, "floor": 9.0, "held": False},
            "right": True,
            "unit": "pods per second",
        }
    ]


def test_one_disturbed_round_does_not_move_the_figure() -> None:
    assert middle([100.0, 3.0, 110.0]) == 100.0


def test_the_table_tells_of_each_comparison_and_claim_whether_it_held() -> None:
    text = show([Bench("b", comparison(), {"other": comparison(floor=9.0)}, {"right": True})])
    assert [line.rpartition(": ")[2] for line in text.splitlines()] == ["held", "NOT HELD", "held"]


@pytest.mark.parametrize(("ours", "held"), [(75.0, True), (75.1, False), (74.0, True)])
def test_where_less_is_better_a_comparison_holds_up_to_its_floor(ours: float, held: bool) -> None:
    found = Comparison(ours, 100.0, 0.75, less_is_better=True)
    assert found.held is held
    assert found.as_json()["less_is_better"] is True
