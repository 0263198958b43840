"""Whatever the replicas do, in whatever order, with clocks that are minutes off: no API server ever refuses one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import hypothesis
import pytest
from hypothesis import strategies as st

from certs.authority import CA_LIFETIME
from certs.replicas import GONE_SECONDS
from certs.rollover import Phase, phase_of
from certs.store import DEFAULT_WAIT_SECONDS
from tests.certs.builders import NOW, authority
from tests.certs.world import Replica, World

OFFSET_SECONDS: Final = 300.0
"""Each clock may be so much ahead or behind."""

ROUND_SECONDS: Final = 30.0

offsets = st.floats(-OFFSET_SECONDS, OFFSET_SECONDS)
numbers = st.integers(0, 3)
pauses = st.sampled_from([1.0, 20.0, 100.0, 170.0, 290.0, 310.0, 700.0, 950.0, 90_000.0])
events = st.one_of(
    st.tuples(st.just("turns"), numbers, st.integers(1, 9)),
    st.tuples(st.just("turns"), numbers, st.integers(1, 9)),
    st.tuples(st.just("round"), numbers, st.none()),
    st.tuples(st.just("round"), numbers, st.none()),
    st.tuples(st.just("round"), numbers, st.none()),
    st.tuples(st.just("rounds"), st.none(), pauses),
    st.tuples(st.just("sleep"), st.none(), pauses),
    st.tuples(st.just("crash"), numbers, st.none()),
    st.tuples(st.just("stop"), numbers, st.none()),
    st.tuples(st.just("start"), st.none(), offsets),
    st.tuples(st.just("cut"), numbers, st.none()),
    st.tuples(st.just("rotate"), st.none(), st.none()),
)


class Play:
    """Events, as they come, in a world whose invariant is looked at after each turn."""

    def __init__(self, world: World) -> None:
        self.world = world

    def happen(self, kind: str, number: int | None, value: Any) -> None:
        replicas = self.world.replicas
        if number is not None and not replicas:
            return
        whom = replicas[number % len(replicas)] if number is not None else None
        if whom is not None:
            _TO_ONE[kind](self, whom, value)
        elif kind == "start":
            self.start(value)
        elif kind == "rotate":
            self.world.rotate(DEFAULT_WAIT_SECONDS)
        elif kind == "sleep":
            self._pass(value)
        else:
            self.rounds(value)
        self.world.check()

    def start(self, offset_seconds: float) -> None:
        self.world.replicas.append(Replica(self.world, offset_seconds))

    def rounds(self, seconds: float) -> None:
        """Everybody at his work for so long; long times pass in steps that silence nobody."""
        end = self.world.seconds + min(seconds, 1_000.0)
        while self.world.seconds < end:
            for replica in list(self.world.replicas):
                replica.finish_round()
            self._pass(ROUND_SECONDS)

    def _pass(self, seconds: float) -> None:
        self.world.seconds += seconds
        self.world.check()

    def _turns(self, replica: Replica, count: int) -> None:
        for _ in range(count):
            replica.turn()
            self.world.check()

    def _round(self, replica: Replica, _: None) -> None:
        replica.finish_round()

    def _crash(self, replica: Replica, _: None) -> None:
        replica.crash()
        self.world.replicas.remove(replica)

    def _stop(self, replica: Replica, _: None) -> None:
        self.world.replicas.remove(replica)
        replica.withdraw()

    def _cut(self, replica: Replica, _: None) -> None:
        replica.api.cut_off = not replica.api.cut_off


_TO_ONE: Final[dict[str, Callable[[Play, Replica, Any], None]]] = {
    "turns": Play._turns,  # noqa: SLF001 - its own methods
    "round": Play._round,  # noqa: SLF001
    "crash": Play._crash,  # noqa: SLF001
    "stop": Play._stop,  # noqa: SLF001
    "cut": Play._cut,  # noqa: SLF001
}


def settle(play: Play) -> None:
    """Everybody reaches the API again and works on, past everything a rollover may wait for."""
    for replica in play.world.replicas:
        replica.api.cut_off = False
    for _ in range(20):
        play.rounds(GONE_SECONDS)
        if phase_of(play.world.stored) is Phase.STEADY and play.world.stored.wait_seconds is None:
            break


STOOD_STILL_IN_A_ROUND: Final[list[tuple[str, int | None, Any]]] = [
    ("turns", 0, 1),
    ("turns", 1, 1),
    ("round", 0, None),
    ("sleep", None, 700.0),
    ("turns", 0, 1),
]
"""Whoever dated the switch by the beginning of its round had the API servers trust the next CA too late."""


@hypothesis.settings(max_examples=60)
@hypothesis.example([0.0, 0.0], 0.0, STOOD_STILL_IN_A_ROUND)
@hypothesis.given(
    st.lists(offsets, min_size=1, max_size=3),
    st.sampled_from([0.0, 400.0, 700.0, 800.0, 900.0, 1000.0]),
    st.lists(events, min_size=5, max_size=40),
)
def test_no_replica_ever_shows_what_a_published_bundle_does_not_verify(
    clocks: list[float], calm_seconds: float, story: list[tuple[str, int | None, Any]]
) -> None:
    """Most stories begin where the next step is due and nobody has looked yet."""
    world = World(authority())
    play = Play(world)
    for offset in clocks:
        play.start(offset)
    play.rounds(1.0)
    world.rotate(DEFAULT_WAIT_SECONDS)
    play.rounds(calm_seconds)
    world.seconds += 100.0
    for event in story:
        play.happen(*event)
    if not world.replicas:
        play.start(0.0)
    settle(play)
    assert phase_of(world.stored) is Phase.STEADY
    assert world.stored.certificate != world.authority.pair.certificate
    assert all(replica.source.complaint() is None for replica in world.replicas)


def test_the_world_sees_a_bundle_that_lost_its_authority_too_early() -> None:
    world = World(authority())
    play = Play(world)
    play.start(0.0)
    play.rounds(1.0)
    world.rotate(0)
    with pytest.raises(AssertionError):
        settle(play)


@pytest.mark.parametrize("offset_seconds", [-OFFSET_SECONDS, 0.0, OFFSET_SECONDS])
def test_an_authority_at_two_thirds_of_its_life_is_followed_by_another_a_week_later(offset_seconds: float) -> None:
    world = World(authority(now=NOW - CA_LIFETIME * 2 / 3 - timedelta(minutes=10)))
    play = Play(world)
    play.start(offset_seconds)
    play.start(0.0)
    play.rounds(100.0)
    assert phase_of(world.stored) is Phase.WAITING
    world.seconds += timedelta(days=6).total_seconds()
    play.rounds(100.0)
    assert phase_of(world.stored) is Phase.WAITING
    world.seconds += timedelta(days=1).total_seconds() + OFFSET_SECONDS
    play.rounds(100.0)
    assert phase_of(world.stored) is Phase.STEADY
    assert world.stored.certificate != world.authority.pair.certificate


def test_a_replica_that_is_gone_holds_up_nothing_for_ever() -> None:
    world = World(authority())
    play = Play(world)
    play.start(0.0)
    play.start(0.0)
    play.rounds(1.0)
    world.rotate(DEFAULT_WAIT_SECONDS)
    play.rounds(DEFAULT_WAIT_SECONDS - 60)
    play.happen("crash", 1, None)
    play.rounds(120.0)
    assert phase_of(world.stored) is Phase.CONFIRMING
    play.rounds(GONE_SECONDS)
    assert phase_of(world.stored) is Phase.STEADY


def test_a_replica_that_does_not_confirm_holds_up_the_end_as_long_as_it_lives() -> None:
    world = World(authority())
    play = Play(world)
    play.start(0.0)
    play.start(0.0)
    play.rounds(1.0)
    first, second = world.replicas
    world.rotate(DEFAULT_WAIT_SECONDS)
    play.rounds(DEFAULT_WAIT_SECONDS - 60)
    for _ in range(9):
        second.crash()
        second.turn()
        second.turn()  # it announces itself and gets no further
        first.finish_round()
        world.seconds += ROUND_SECONDS
    assert phase_of(world.stored) is Phase.CONFIRMING
    second.crash()
    play.rounds(90.0)
    assert phase_of(world.stored) is Phase.STEADY
