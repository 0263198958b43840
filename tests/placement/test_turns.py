"""More kinds of pods than one round may look at: they take turns."""

from __future__ import annotations

import pytest

from placement import judge as subject
from placement.judge import Judge
from placement.survey import Survey
from tests.placement.desk import Desk

TWO_KINDS = 2


@pytest.fixture(autouse=True)
def two_kinds_a_round(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.node("warm", cpu="64")
    monkeypatch.setattr(subject, "LOOKS_PER_ROUND", TWO_KINDS)


def decided(desk: Desk, judge: Judge) -> set[str]:
    """The names of the pods that a round decides on."""
    waiting = desk.snapshot.waiting.pods
    return {waiting[uid].metadata.name for uid in judge.verdicts(waiting.values(), {}, desk.now)}


def judge_of(desk: Desk) -> Judge:
    return Judge(desk.snapshot, Survey(desk.snapshot))


def test_a_round_decides_on_as_many_kinds_as_it_may_and_the_next_ones_on_the_others(desk: Desk) -> None:
    judge = judge_of(desk)
    for number in range(5):
        desk.pod(f"pod-{number}", cpu=f"{number + 1}")
    rounds = [decided(desk, judge) for _ in range(3)]
    assert [len(names) for names in rounds[:2]] == [2, 2]
    assert set().union(*rounds) == {f"pod-{number}" for number in range(5)}


def test_all_pods_of_a_kind_are_decided_on_together(desk: Desk) -> None:
    for number in range(9):
        desk.pod(f"pod-{number}", cpu=f"{number % TWO_KINDS + 1}")
    assert len(decided(desk, judge_of(desk))) == 9


def test_who_needs_no_node_waits_for_no_turn(desk: Desk) -> None:
    for number in range(4):
        desk.pod(f"pod-{number}", cpu=f"{number + 1}", priority=10)
    desk.pod("overdue", cpu="5", age=3_600)
    desk.pod("unjudged", cpu="6", resourceClaims=[{"name": "gpu"}])
    assert {"overdue", "unjudged"} < decided(desk, judge_of(desk))


def test_the_judge_is_behind_until_every_pod_was_decided_on_once(desk: Desk) -> None:
    judge = judge_of(desk)
    for number in range(3):
        desk.pod(f"pod-{number}", cpu=f"{number + 1}")
    behind = []
    for _ in range(3):
        decided(desk, judge)
        behind.append(judge.is_behind)
    assert behind == [True, False, False]


def test_of_pods_that_waited_for_as_many_rounds_the_higher_priority_comes_first(desk: Desk) -> None:
    for number in range(5):
        desk.pod(f"pod-{number}", cpu=f"{number + 1}", priority=number)
    assert decided(desk, judge_of(desk)) == {"pod-3", "pod-4"}


async def test_all_of_them_are_placed_without_anybody_s_change(desk: Desk) -> None:
    for number in range(7):
        desk.pod(f"pod-{number}", cpu=f"{number + 1}")
    async with desk.at_work():
        await desk.until(lambda: not desk.gated())
    assert {pod.status.nominated_node_name for pod in desk.pods()} == {"warm"}
