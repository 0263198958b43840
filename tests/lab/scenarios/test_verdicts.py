"""What holds and what does not: each promise, once kept and once broken."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from lab.scenarios.sights import Finding
from lab.scenarios.verdicts import Case, complaints, regret, stuck_pods
from tests.lab.scenarios.stories import case, finding, sight, whole


def plain(seconds: float | None = 143.0) -> Finding:
    return finding("plain", sight(seconds=seconds))


def nomination(**fields: Any) -> Finding:
    return finding("nomination", sight(**fields))


def test_a_case_in_which_everything_holds_has_no_complaints() -> None:
    assert complaints(whole(nomination(seconds=43.5))) == []


@pytest.mark.parametrize(
    ("judged", "complaint"),
    [
        (whole(nomination(gate_wall_seconds=6.2)), "agent-000 was held for 124 s, 120 is its deadline"),
        (whole(nomination(is_gated=True)), "agent-000 was held"),
        (whole(nomination(stranded_wall_seconds=2.5)), "agent-000 was Unschedulable with a nomination for 2.5"),
        (whole(nomination(is_stranded=True)), "agent-000 was Unschedulable with a nomination"),
        (whole(nomination(seconds=None)), "agent-000 was never ready"),
        (whole(plain(50.0), nomination(seconds=53.0), least=(50.0,)), "nomination: ready after 53.0 s at p95"),
        (whole(plain(50.0), finding("extender", sight(seconds=53.0)), nomination(seconds=50.0)), "extender: ready"),
        (whole(nomination(seconds=54.0)), "11.0 avoidable seconds at p95 are more than 10% of the 100.0"),
        (
            case(finding("tuned", sight(seconds=63.0)), nomination(seconds=48.5)),
            "5.5 avoidable seconds at p95 are more than 25% of the 20.0 of tuned",
        ),
        (whole(nomination(seconds=45.5)), "a mean regret of 5.8% is more than 5%"),
        (whole(nomination(failed_sandboxes=1)), "1 sandboxes failed"),
        (whole(plain(40.0), least=(43.0,)), "plain beat the omniscient placement by 3.00 s a pod"),
        (whole(finding("nomination", sight(), complaints=("the worst moment was missed",))), "nomination: the worst"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_hold_is_told(judged: Case, complaint: str) -> None:
    assert [text for text in complaints(judged) if complaint in text]


@pytest.mark.parametrize("best", ["plain", "tuned"])
def test_no_pod_may_be_later_than_with_the_better_of_the_schedulers_without_stoker(best: str) -> None:
    others = [finding(name, sight(seconds=50.0 if name == best else 99.0)) for name in ("plain", "tuned")]
    judged = whole(*others, nomination(seconds=52.1), name="burst", least=(50.0,))
    assert f"nomination: ready after 52.1 s at p95, without Stoker after 50.0 ({best})" in complaints(judged)


def test_the_extender_alone_is_held_against_plain() -> None:
    others = plain(50.0), finding("tuned", sight(seconds=43.0))
    late, later = (
        whole(*others, finding("extender", sight(seconds=seconds)), nomination(seconds=43.0), name="burst")
        for seconds in (52.0, 52.1)
    )
    assert complaints(late) == []
    assert complaints(later) == ["extender: ready after 52.1 s at p95, without Stoker after 50.0 (plain)"]


def test_two_seconds_later_than_without_stoker_are_allowed() -> None:
    stoker = finding("extender", sight(seconds=52.0)), nomination(seconds=52.0)
    judged = whole(plain(50.0), finding("tuned", sight(seconds=51.0)), *stoker, name="burst", least=(50.0,))
    assert complaints(judged) == []


@pytest.mark.parametrize("without", [143.0, None])
def test_a_pod_that_omniscience_could_have_brought_up_is_stuck_whatever_plain_did(without: float | None) -> None:
    assert stuck_pods(whole(plain(without), nomination(seconds=None))) == ["agent-000"]


def test_a_pod_that_omniscience_has_no_place_for_is_not_stuck() -> None:
    assert stuck_pods(whole(plain(), nomination(seconds=None), least=(inf,))) == []


@pytest.mark.parametrize("missing", ["plain", "tuned", "extender", "nomination"])
def test_what_was_not_compared_is_not_held(missing: str) -> None:
    found = whole(nomination(seconds=43.5))
    part = case(*(item for mode, item in found.findings.items() if mode != missing))
    (complaint,) = complaints(part)
    assert complaint.startswith(f"not judged: without {missing} there is nothing")


def test_a_pod_that_waits_past_its_deadline_is_stuck() -> None:
    assert stuck_pods(case(plain(), nomination(is_gated=True))) == ["agent-000"]


def test_regret_is_the_mean_of_what_was_avoidable_as_a_share() -> None:
    pods = finding("nomination", sight("a", 44.0), sight("b", 48.0))
    assert regret(case(pods, least=(40.0, 40.0))) == pytest.approx(12 / 80)


def test_without_the_nomination_there_is_no_regret() -> None:
    assert regret(case(plain())) is None


def cold_join(gate_wall_seconds: float, launched_unix: float | None, node: str = "joining-1") -> list[str]:
    waited = sight(gate_wall_seconds=gate_wall_seconds, node=node)
    found = finding("nomination", waited, first_launch_unix=launched_unix)
    return complaints(whole(found, name="cold-join"))


def test_a_pod_that_no_node_has_room_for_is_let_through_within_a_second() -> None:
    assert cold_join(0.9, launched_unix=1_001.0) == []
    assert "agent-000 was let through only after 1.10 wall seconds" in cold_join(1.1, launched_unix=1_001.0)


def test_a_pod_may_wait_for_a_node_that_was_on_its_way_when_it_came() -> None:
    assert cold_join(1.5, launched_unix=999.0) == []


def test_a_pod_may_wait_for_a_node_that_was_there() -> None:
    assert cold_join(1.5, launched_unix=1_001.0, node="warm-1") == []


def test_an_autoscaler_that_was_never_needed_makes_no_story() -> None:
    assert "the autoscaler launched nothing" in cold_join(0.1, launched_unix=None)[0]
