"""Between two requests that compute, the event loop looks at its sockets."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import groupby, pairwise

import pytest

from serving.turns import LONGEST_SECONDS, PATIENCE_SECONDS, Turns


async def over(turns: Turns[str]) -> None:
    """Until everybody's turn has come."""
    while len(turns):  # noqa: ASYNC110 - each look is a turn of the loop
        await asyncio.sleep(0)


async def test_of_many_that_can_go_on_one_does_in_each_turn_of_the_loop() -> None:
    turns, told = Turns[str](clock=lambda: 0.0), list[str]()
    for name in "abc":
        turns.wait(name, partial(told.append, name))
    for _ in range(9):
        told.append("sockets")
        await asyncio.sleep(0)
    answers = [index for index, name in enumerate(told) if name != "sockets"]
    assert {told[index] for index in answers} == {"a", "b", "c"}
    assert all("sockets" in told[one:other] for one, other in pairwise(answers))


async def test_in_each_turn_as_many_go_on_as_there_is_time_for_in_what_the_rest_took() -> None:
    now, told = [0.0], list[str]()

    def take(name: str, seconds: float) -> None:
        told.append(name)
        now[0] += seconds

    turns = Turns[str](clock=lambda: now[0])
    for name in "abcdef":
        turns.wait(name, partial(take, name, LONGEST_SECONDS / 4))
    for quarters in (2.5, 0.1, 1.1):
        take("sockets", LONGEST_SECONDS * quarters / 4)
        await asyncio.sleep(0)
    assert sorted(told) == ["a", "b", "c", "d", "e", "f", *["sockets"] * 3]
    assert [len(list(group)) for name, group in groupby(told, "sockets".__ne__) if name] == [3, 1, 2]


async def test_where_reading_takes_long_requests_get_no_longer_than_their_time() -> None:
    now, told = [0.0], list[str]()

    def take(name: str) -> None:
        told.append(name)
        now[0] += LONGEST_SECONDS / 1.5

    turns = Turns[str](clock=lambda: now[0])
    for name in "abcdef":
        turns.wait(name, partial(take, name))
    now[0] = 100 * LONGEST_SECONDS
    await asyncio.sleep(0)
    assert len(told) == 2


async def test_who_came_last_goes_first_while_nobody_has_waited_for_long() -> None:
    turns, told = Turns[str](clock=lambda: 0.0), list[str]()
    for name in "abc":
        turns.wait(name, partial(told.append, name))
    await over(turns)
    assert told == ["c", "b", "a"]


async def test_who_has_lost_patience_goes_before_all_that_came_later() -> None:
    now, told = [0.0], list[str]()
    turns = Turns[str](clock=lambda: now[0])
    for name, came_at in (("a", 0.0), ("b", PATIENCE_SECONDS / 2), ("c", PATIENCE_SECONDS)):
        now[0] = came_at
        turns.wait(name, partial(told.append, name))
    await over(turns)
    assert told == ["a", "c", "b"]


async def test_patience_is_lost_within_a_turn_too() -> None:
    now, told = [0.0], list[str]()

    def take(name: str) -> None:
        told.append(name)
        now[0] += PATIENCE_SECONDS / 5

    turns = Turns[str](clock=lambda: now[0])
    for name in "abc":
        turns.wait(name, partial(take, name))
    now[0] = PATIENCE_SECONDS * 0.9
    await asyncio.sleep(0)
    assert told == ["c", "a"]


async def test_somebody_who_gave_up_waiting_holds_up_nobody() -> None:
    turns, told = Turns[str](clock=lambda: 0.0), list[str]()
    for name in "abc":
        turns.wait(name, partial(told.append, name))
    turns.leave("b")
    turns.leave("nobody")
    await over(turns)
    assert set(told) == {"a", "c"}


async def test_what_waits_is_known_by_its_size_until_its_turn() -> None:
    turns, sizes = Turns[str](clock=lambda: 0.0), list[int]()
    for number, name in enumerate("abcd"):
        turns.wait(name, lambda: sizes.append(turns.size_bytes), 10**number)
    assert turns.size_bytes == 1_111
    turns.leave("b")
    await over(turns)
    assert sizes == [101, 1, 0]


async def test_one_whose_turn_fails_ends_no_other_ones_wait(caplog: pytest.LogCaptureFixture) -> None:
    turns, told = Turns[str](clock=lambda: 0.0), list[str]()
    turns.wait("a", partial(told.append, "a"))
    turns.wait("b", partial(told.remove, "what was never told"))
    await over(turns)
    assert told == ["a"]
    assert "ValueError" in caplog.text
