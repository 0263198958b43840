"""Which pods concern placement, since when, and who hears of their changes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from cluster import wire
from cluster.clock import Clock
from cluster.waiting import WaitingPods, has_our_gate, keep_document
from model import names
from tests.cluster.objects import decoded, pod

GATED: dict[str, Any] = {"schedulingGates": [{"name": names.WARM_NODE_GATE}]}
FOREIGN: dict[str, Any] = {"schedulingGates": [{"name": "example.com/other"}]}
TOLD = {names.FORECAST_ANNOTATION: '{"node":"n1"}'}


def test_the_json_of_a_pod_that_waits_is_kept_with_what_nobody_reads() -> None:
    raw = b'{"metadata":{"name":"p1"},"spec":{"schedulingGates":[{"name":"stoker.dev/warm-node"}],"new":1}}'
    waiting = msgspec.json.decode(raw, type=wire.Pod)
    keep_document(waiting, lambda: raw)
    assert waiting.document == raw


def test_of_a_bound_pod_no_json_is_kept() -> None:
    raw = b'{"metadata":{"name":"p1"},"spec":{"nodeName":"n1"}}'
    bound = msgspec.json.decode(raw, type=wire.Pod)
    keep_document(bound, lambda: raw)
    assert bound.document == b""


class Watch:
    """Waiting pods with a clock, and what their observers heard."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.heard: list[tuple[wire.Pod | None, wire.Pod | None]] = []
        self.set_by = 0.0
        clock = Clock(wall=lambda: self.now + self.set_by, steady=lambda: self.now)
        self.waiting = WaitingPods(clock)
        self.waiting.observers.append(lambda old, new: self.heard.append((old, new)))

    def tell(self, old: wire.Pod | None, new: wire.Pod | None) -> list[str]:
        self.waiting.pod_changed(old, new)
        return list(self.waiting.pods)


@pytest.mark.parametrize(
    ("subject", "waits"),
    [
        (pod(spec=GATED), True),
        (pod(spec=FOREIGN), False),
        (pod(), False),
        (pod(nominatedNodeName="n1"), True),
        (pod(spec=FOREIGN, nominatedNodeName="n1"), True),
        (pod(on="n1", nominatedNodeName="n1"), False),  # before Kubernetes 1.35 a nomination survives the binding
        (pod(spec=GATED, phase="Failed"), False),
        (pod(annotations=TOLD), True),
        (pod(on="n1", annotations=TOLD), False),
        (pod(phase="Failed", annotations=TOLD), False),
    ],
)
def test_pods_wait_behind_our_gate_or_with_a_nomination_or_with_what_is_left_of_one(
    subject: wire.Pod, waits: bool
) -> None:
    watch = Watch()
    assert watch.tell(None, subject) == (["uid-p1"] if waits else [])
    assert len(watch.heard) == waits


def test_a_pod_that_is_being_deleted_waits_for_nothing() -> None:
    going = decoded(
        wire.Pod,
        {"metadata": {"name": "p1", "uid": "u", "deletionTimestamp": "2026-03-03T10:00:00Z"}, "spec": GATED},
    )
    assert has_our_gate(going)
    assert Watch().tell(None, going) == []


def test_a_pod_waits_no_more_once_it_is_bound_or_gone_and_that_is_told() -> None:
    watch, gated, bound = Watch(), pod(spec=GATED), pod(on="n1")
    watch.tell(None, gated)
    assert watch.tell(gated, bound) == []
    assert watch.tell(bound, None) == []
    assert watch.heard == [(None, gated), (gated, bound)]


def test_a_pod_of_the_same_name_is_another_pod() -> None:
    watch, first, second = Watch(), pod(spec=GATED, uid="first"), pod(spec=GATED, uid="second")
    watch.tell(None, first)
    watch.now += 5
    assert watch.tell(first, second) == ["second"]
    assert (watch.waiting.first_seen("first"), watch.waiting.first_seen("second")) == (None, 1_005.0)


def test_when_a_pod_was_first_seen_outlives_its_changes_but_not_its_wait() -> None:
    watch, gated, nominated = Watch(), pod(spec=GATED), pod(nominatedNodeName="n1")
    watch.tell(None, gated)
    watch.now += 5
    watch.tell(gated, nominated)
    assert watch.waiting.first_seen("uid-p1") == 1_000.0
    watch.tell(nominated, pod(on="n1"))
    assert watch.waiting.first_seen("uid-p1") is None


def test_when_a_gate_was_first_seen_open_is_known_while_its_pod_waits() -> None:
    watch, gated, nominated = Watch(), pod(spec=GATED), pod(nominatedNodeName="n1")
    watch.tell(None, gated)
    assert watch.waiting.first_open("uid-p1") is None
    watch.now += 5
    watch.tell(gated, nominated)
    watch.now += 5
    watch.tell(nominated, nominated)
    assert watch.waiting.first_open("uid-p1") == 1_005.0
    watch.tell(nominated, pod(on="n1"))
    assert watch.waiting.first_open("uid-p1") is None


def test_since_when_a_pod_is_unschedulable_is_known_until_it_is_not() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    watch, refused, tried = Watch(), pod(nominatedNodeName="n1", conditions=[condition]), pod(nominatedNodeName="n1")
    watch.tell(None, tried)
    assert watch.waiting.first_unschedulable("uid-p1") is None
    watch.now += 5
    watch.tell(tried, refused)
    watch.now += 5
    watch.tell(refused, refused)
    assert watch.waiting.first_unschedulable("uid-p1") == 1_005.0
    watch.tell(refused, tried)
    assert watch.waiting.first_unschedulable("uid-p1") is None


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_makes_no_wait_longer_or_shorter(hours: int) -> None:
    watch = Watch()
    watch.tell(None, pod(spec=GATED))
    watch.now += 5
    watch.set_by = hours * 3_600.0
    assert watch.waiting.first_seen("uid-p1") == watch.now + watch.set_by - 5


def at(version: str, **members: Any) -> wire.Pod:
    made = pod(spec=GATED, **members)
    made.metadata.resource_version = version
    return made


async def test_a_write_that_the_watch_has_shown_is_not_waited_for() -> None:
    watch = Watch()
    watch.tell(None, at("2"))
    waiting = asyncio.ensure_future(watch.waiting.seen("uid-p1", "2"))
    await asyncio.sleep(0)
    assert waiting.done()


async def test_a_write_is_waited_for_until_the_watch_shows_it() -> None:
    watch = Watch()
    before = at("1")
    watch.tell(None, before)
    waiting = asyncio.ensure_future(watch.waiting.seen("uid-p1", "2"))
    await asyncio.sleep(0)
    assert not waiting.done()
    watch.tell(before, at("2"))
    await waiting


async def test_a_write_that_is_never_shown_is_not_waited_for_for_ever() -> None:
    watch = Watch()
    watch.tell(None, at("1"))
    await watch.waiting.seen("uid-p1", "2")


async def test_nobody_waits_for_a_pod_that_is_gone() -> None:
    watch = Watch()
    await watch.waiting.seen("uid-p1", "2")
