"""What becomes of a nomination until its pod is bound."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cluster import wire
from model import names
from model.nodes import NodeFacts
from placement.ownership import Fate, LostReason, Ownership, own
from tests.builders import node, pod

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}


def nominated(*, told: str | None = "n1", gated: bool = False, condition: dict[str, Any] | None = None) -> wire.Pod:
    """A pod nominated to n1, of which our annotation tells `told`."""
    annotations = {} if told is None else {names.FORECAST_ANNOTATION: json.dumps({"node": told, "seconds": 40})}
    gates = [{"name": names.WARM_NODE_GATE}] if gated else []
    body = pod(metadata={"uid": "u1", "annotations": annotations}, schedulingGates=gates)
    body["status"] = {"nominatedNodeName": "n1", "conditions": [condition] if condition else []}
    return msgspec.json.decode(msgspec.json.encode(body), type=wire.Pod)


GONE = None
CORDONED = node("n1", schedulable=False)
NOT_READY = node("n1", ready=False)


@pytest.mark.parametrize("subject", [nominated(told=None), nominated(told="n2"), nominated(told="")])
@pytest.mark.parametrize("there", [GONE, CORDONED, node("n1")])
def test_a_nomination_that_is_not_ours_is_left_alone(subject: wire.Pod, there: NodeFacts | None) -> None:
    assert own(subject, there).action is Ownership.LEAVE


def test_an_annotation_that_is_no_json_is_not_ours() -> None:
    subject = nominated()
    subject.metadata.annotations[names.FORECAST_ANNOTATION] = "{"
    assert own(subject, GONE).action is Ownership.LEAVE


def test_a_placement_that_was_interrupted_is_finished() -> None:
    assert own(nominated(gated=True), node("n1")) == Fate(Ownership.FINISH)


@pytest.mark.parametrize(
    ("there", "reason"),
    [(GONE, LostReason.NODE_GONE), (CORDONED, LostReason.NODE_CORDONED), (NOT_READY, LostReason.NODE_NOT_READY)],
)
def test_it_is_cleared_where_the_node_takes_no_pods_any_more(there: NodeFacts | None, reason: LostReason) -> None:
    assert own(nominated(gated=True), there) == Fate(Ownership.CLEAR, reason)
    assert own(nominated(condition=UNSCHEDULABLE), there) == Fate(Ownership.CLEAR, reason)


def test_an_unschedulable_pod_loses_its_nomination_even_where_the_node_looks_well() -> None:
    assert own(nominated(condition=UNSCHEDULABLE), node("n1")) == Fate(Ownership.CLEAR, LostReason.NO_LONGER_FITS)


@pytest.mark.parametrize(
    "condition",
    [None, {**UNSCHEDULABLE, "reason": "SchedulingGated"}, {"type": "PodScheduled", "status": "True"}],
    ids=["untold", "gated", "bound"],
)
def test_before_the_scheduler_has_refused_it_is_the_schedulers_turn(condition: dict[str, Any] | None) -> None:
    assert own(nominated(condition=condition), node("n1")).action is Ownership.LEAVE


@pytest.mark.parametrize("there", [GONE, CORDONED, NOT_READY, node("n1")])
def test_what_was_lost_is_told_in_words(there: NodeFacts | None) -> None:
    assert " " in own(nominated(condition=UNSCHEDULABLE), there).describe()
