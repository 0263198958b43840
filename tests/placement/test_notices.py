"""What is told of a held pod: what stands on it follows its target, and events do not come with each change of it."""

from __future__ import annotations

from math import inf

import pytest

from cluster.events import PodEvent
from model.forecast import Forecast
from placement.notices import AGAIN_EVENT_WALL_SECONDS, AGAIN_WALL_SECONDS, Notices
from placement.verdicts import Hold, HoldReason
from tests.cluster.objects import pod

HELD = pod()


def hold(node: str, reason: HoldReason = HoldReason.SETTLING) -> Hold:
    return Hold(reason, Forecast(node, 43.0, ()), until=inf, seconds=43.0)


class Ears:
    """Notices with a clock; `annotated` are the nodes that were written on the pod.

    `are_open`: whether events are taken.
    """

    def __init__(self) -> None:
        self.now = 1_000.0
        self.are_open = True
        self.events: list[PodEvent] = []
        self.annotated: list[str] = []
        self.notices = Notices(self._hear, clock=lambda: self.now)

    def _hear(self, event: PodEvent) -> bool:
        if self.are_open:
            self.events.append(event)
        return self.are_open

    def look(self, waits: Hold) -> None:
        """As the controller does in each round."""
        if self.notices.is_news(HELD, waits):
            self.annotated.append(waits.waits_for)
            self.notices.held(HELD, waits, seconds_left=60.0 - self.now)


@pytest.fixture
def ears() -> Ears:
    return Ears()


def test_a_target_that_wavers_is_an_event_now_and_then(ears: Ears) -> None:
    for step in range(120):
        ears.look(hold("ab"[step % 2]))
        ears.now += 1
    assert len(ears.events) == 120 / AGAIN_EVENT_WALL_SECONDS


def test_what_stands_on_the_pod_is_never_older_than_a_moment(ears: Ears) -> None:
    ears.look(hold("a"))
    ears.look(hold("b"))
    assert ears.annotated == ["a"]
    ears.now += AGAIN_WALL_SECONDS
    ears.look(hold("b"))
    assert ears.annotated == ["a", "b"]


def test_a_target_that_changed_once_is_told_by_an_event_in_the_end_and_once(ears: Ears) -> None:
    ears.look(hold("a"))
    for _ in range(100):
        ears.now += 1
        ears.look(hold("b"))
    assert [event.message.split(" (")[0] for event in ears.events] == ["waits for a", "waits for b"]


def test_the_same_node_for_another_reason_is_news(ears: Ears) -> None:
    ears.look(hold("a", HoldReason.INSTALLING))
    ears.now += AGAIN_EVENT_WALL_SECONDS
    ears.look(hold("a", HoldReason.SETTLING))
    assert len(ears.events) == 2


def test_while_a_notice_is_being_written_it_is_no_news(ears: Ears) -> None:
    assert ears.notices.is_news(HELD, hold("a"))
    ears.now += 10 * AGAIN_EVENT_WALL_SECONDS
    assert not ears.notices.is_news(HELD, hold("a"))


def test_what_could_not_be_written_is_news_again_in_a_moment(ears: Ears) -> None:
    assert ears.notices.is_news(HELD, hold("a"))
    ears.notices.not_told(HELD)
    assert not ears.notices.is_news(HELD, hold("a"))
    ears.now += AGAIN_WALL_SECONDS
    assert ears.notices.is_news(HELD, hold("a"))


def test_a_pod_that_waits_no_more_is_forgotten(ears: Ears) -> None:
    ears.look(hold("a"))
    ears.notices.forget(())
    ears.look(hold("a"))
    assert len(ears.events) == 2


def test_an_event_that_was_not_taken_is_owed_until_it_is(ears: Ears) -> None:
    ears.are_open = False
    for _ in range(100):
        ears.now += 1
        ears.look(hold("a"))
    ears.are_open = True
    for _ in range(100):
        ears.now += 1
        ears.look(hold("a"))
    assert [event.reason for event in ears.events] == ["Held"]


def test_an_event_that_is_not_taken_is_not_written_about_at_every_look(ears: Ears) -> None:
    ears.are_open = False
    for _ in range(90):
        ears.look(hold("a"))
        ears.now += 0.5
    assert len(ears.annotated) == 45 / AGAIN_EVENT_WALL_SECONDS
