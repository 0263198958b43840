"""How rounds become the report of the placement bench."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.placement import CALLS, NOMINATION, Round, compare


def rounds(mode: str, seconds: Sequence[float], *, on_nominated_node: int = 600) -> list[Round]:
    return [Round(mode, 600, item, on_nominated_node, on_warm_node=600) for item in seconds]


def all_rounds(*, nomination: Sequence[float] = (5.0, 5.0, 50.0), on_nominated_node: int = 600) -> list[Round]:
    return [
        *rounds(NOMINATION, nomination, on_nominated_node=on_nominated_node),
        *rounds("every_node", (20.0, 25.0, 20.0)),
        *rounds("sample", (5.0, 4.0, 5.0)),
    ]


def test_both_opponents_are_compared_by_the_medians_of_pods_per_second() -> None:
    found = compare(all_rounds())
    assert (found.first.ours, found.first.theirs, found.first.ratio) == (120.0, 30.0, 4.0)
    assert found.further["default_sampling"].theirs == 120.0
    assert found.held


def test_a_pod_on_another_node_than_the_forecast_names_is_told() -> None:
    found = compare(all_rounds(on_nominated_node=599))
    assert (found.claims, found.held) == ({"on_nominated_node": False}, False)


def test_a_slow_nomination_falls_below_the_floors() -> None:
    found = compare(all_rounds(nomination=(6.0, 6.0, 6.0)))
    assert (found.first.held, found.further["default_sampling"].held, found.held) == (False, False, False)


def test_every_round_of_every_mode_stands_in_the_report() -> None:
    found = compare(all_rounds()).as_json()["rounds"]
    assert {mode: len(items) for mode, items in found.items()} == dict.fromkeys(CALLS, 3)
