"""Whose a nomination is, what becomes of it, and whether it was lost."""

from __future__ import annotations

from typing import Any

import pytest

from cluster import wire
from model import names
from model.nodes import NodeFacts
from placement.ownership import Circumstances, Fate, LostReason, Ownership, is_ours, lost_by, own
from tests.builders import node
from tests.cluster.objects import decoded, pod

WARM = node("warm")
GATED: dict[str, Any] = {"schedulingGates": [{"name": names.WARM_NODE_GATE}]}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
STILL_GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
LEAVE = Fate(Ownership.LEAVE)
FINISH = Fate(Ownership.FINISH)


def lost(reason: LostReason) -> Fate:
    return Fate(Ownership.CLEAR, reason)


def nominated(told: str | None = "warm", *, gated: bool = False, condition: dict[str, str] | None = None) -> wire.Pod:
    """A pod that names the node `warm`, with the forecast of the node that was told, if one was."""
    annotations = {names.FORECAST_ANNOTATION: f'{{"node":"{told}","seconds":43}}'} if told else {}
    conditions = [condition] if condition else []
    spec = GATED if gated else {}
    return pod(annotations=annotations, spec=spec, nominatedNodeName="warm", conditions=conditions)


@pytest.mark.parametrize(
    ("subject", "ours"),
    [
        (nominated("warm"), True),
        (nominated("another"), False),
        (nominated(None), False),
        (pod(annotations={names.FORECAST_ANNOTATION: "no JSON"}, nominatedNodeName="warm"), False),
        (pod(annotations={names.FORECAST_ANNOTATION: "[]"}, nominatedNodeName="warm"), False),
        (pod(annotations={names.FORECAST_ANNOTATION: "{}"}), False),
    ],
)
def test_ours_is_what_the_forecast_on_the_pod_names(subject: wire.Pod, ours: bool) -> None:
    assert is_ours(subject) is ours


@pytest.mark.parametrize(
    ("subject", "now", "fate"),
    [
        # With the gate closed, half of a placement stands there.
        (nominated(gated=True, condition=STILL_GATED), WARM, FINISH),
        (nominated(gated=True), None, lost(LostReason.NODE_GONE)),
        (nominated(gated=True), node("warm", schedulable=False), lost(LostReason.NODE_CORDONED)),
        (nominated(gated=True), node("warm", ready=False), lost(LostReason.NODE_NOT_READY)),
        (nominated(gated=True), node("warm", ready=None), lost(LostReason.NODE_NOT_READY)),
        # With the gate open, it is the scheduler's turn.
        (nominated(), WARM, LEAVE),
        (nominated(condition=STILL_GATED), WARM, LEAVE),
        (nominated(condition={**UNSCHEDULABLE, "reason": "SchedulerError"}), WARM, LEAVE),
        (nominated(condition=UNSCHEDULABLE), WARM, lost(LostReason.NO_LONGER_FITS)),
        (nominated(condition=UNSCHEDULABLE), None, lost(LostReason.NODE_GONE)),
        (nominated(), node("warm", schedulable=False), lost(LostReason.NODE_CORDONED)),
        # Another's nomination: our business is the gate alone.
        (nominated(None, gated=True), None, FINISH),
        (nominated("another", gated=True), WARM, FINISH),
        (nominated(None, condition=UNSCHEDULABLE), None, LEAVE),
    ],
)
def test_the_fate_of_a_nomination(subject: wire.Pod, now: NodeFacts | None, fate: Fate) -> None:
    assert own(subject, Circumstances(now)) == fate


def test_half_a_placement_that_would_not_be_made_any_more_is_taken_back() -> None:
    now = Circumstances(WARM, can_start=False)
    assert own(nominated(gated=True), now) == lost(LostReason.NODE_NOT_WARM)
    assert own(nominated(), now) == LEAVE


def test_no_nomination_outlives_the_time_that_schedulers_are_given() -> None:
    late = Circumstances(WARM, is_given_up=True)
    assert own(nominated(), late) == lost(LostReason.NOT_BOUND)
    assert own(nominated(condition={**UNSCHEDULABLE, "reason": "SchedulerError"}), late) == lost(LostReason.NOT_BOUND)
    assert own(nominated(None), late) == LEAVE


def test_the_time_that_schedulers_are_given_does_not_count_behind_our_gate() -> None:
    assert own(nominated(gated=True), Circumstances(WARM, is_given_up=True)) == FINISH


def test_a_nomination_is_the_schedulers_where_it_preempts_for_the_pod() -> None:
    preempting = Circumstances(WARM, is_preempting=True)
    subject = nominated(condition=UNSCHEDULABLE)
    assert own(subject, preempting) == Fate(Ownership.YIELD, LostReason.NO_LONGER_FITS)
    subject.spec.preemption_policy = "Never"
    assert own(subject, preempting) == lost(LostReason.NO_LONGER_FITS)


def test_a_scheduler_that_may_be_about_to_preempt_is_waited_for() -> None:
    perhaps = Circumstances(WARM, may_preempt=True)
    subject = nominated(condition=UNSCHEDULABLE)
    assert own(subject, perhaps) == LEAVE
    subject.spec.preemption_policy = "Never"
    assert own(subject, perhaps) == lost(LostReason.NO_LONGER_FITS)


@pytest.mark.parametrize("nominated_now", [{}, {"nominatedNodeName": "another"}])
def test_what_is_told_of_a_nomination_that_others_ended_is_taken_off(nominated_now: dict[str, str]) -> None:
    assert own(told(**nominated_now), Circumstances(None)) == Fate(Ownership.YIELD)


def test_an_annotation_nested_beyond_measure_is_not_ours() -> None:
    text = '{"x":' + "[" * 2_000 + "]" * 2_000 + "}"
    assert not is_ours(pod(annotations={names.FORECAST_ANNOTATION: text}, nominatedNodeName="warm"))


@pytest.mark.parametrize("reason", LostReason)
def test_every_reason_has_a_sentence(reason: LostReason) -> None:
    assert len(Fate(Ownership.CLEAR, reason).describe()) > len(reason)


def told(**status: Any) -> wire.Pod:
    """A pod on which nobody but we wrote that it was nominated to `warm`."""
    return pod(annotations={names.FORECAST_ANNOTATION: '{"node":"warm","seconds":43}'}, **status)


def going() -> wire.Pod:
    metadata = {"name": "p1", "namespace": "tenant-a", "uid": "uid-p1", "deletionTimestamp": "2026-03-03T10:00:00Z"}
    return decoded(wire.Pod, {"metadata": metadata})


@pytest.mark.parametrize(
    ("old", "new", "now", "reason"),
    [
        (None, nominated(), WARM, ""),
        (nominated(gated=True), nominated(), WARM, ""),
        (nominated(), pod(on="warm"), WARM, ""),
        (nominated(), None, WARM, ""),
        (nominated(), going(), WARM, ""),
        (nominated(), pod(uid="of-another"), WARM, ""),
        (nominated(None), pod(), WARM, ""),
        (pod(), pod(), None, ""),
        (nominated(), pod(on="another"), WARM, LostReason.BOUND_ELSEWHERE),
        (nominated(), told(), WARM, LostReason.NO_LONGER_FITS),
        (nominated(), told(nominatedNodeName="another"), WARM, LostReason.NO_LONGER_FITS),
        (nominated(), told(), None, LostReason.NODE_GONE),
        (nominated(), told(), node("warm", schedulable=False), LostReason.NODE_CORDONED),
        # What we take back ourselves takes its annotation with it, and is counted where it is written.
        (nominated(), pod(), None, ""),
        (nominated(), pod(nominatedNodeName="warm"), WARM, ""),
        (nominated(), nominated("another"), WARM, ""),
    ],
)
def test_a_nomination_is_lost_to_others_by_a_change_that_ends_it_without_a_binding_there(
    old: wire.Pod | None, new: wire.Pod | None, now: NodeFacts | None, reason: str
) -> None:
    assert lost_by(old, new, now) == reason
