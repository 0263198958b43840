"""What was promised of a replica that did not run for a while, of a scheduler without its extender, of slow clients."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from benchmarks.faults.dripping import HEAD, drops
from benchmarks.faults.meddler import HOLD_SECONDS, Passing, cutting, doubling, swapping
from benchmarks.faults.scheduling import Bursts, judge_bursts
from benchmarks.faults.slowness import judge_slow_clients
from benchmarks.faults.suspension import Aftermath, complaints_of
from benchmarks.load import Answers


def aftermath(
    seconds: float = 60.0,
    holders: Sequence[str] = ("a", "b", "b"),
    twice: Sequence[str] = (),
    held: Sequence[str] = (),
    *,
    told: bool = True,
) -> Aftermath:
    return Aftermath(seconds, holders, twice, held, told)


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        (aftermath(), None),
        (aftermath(5.0, ("a", "a", "a")), None),
        (aftermath(60.0, ("a", "a", "a")), "nobody took over"),
        (aftermath(60.0, ("a", "b", "a")), "leads again"),
        (aftermath(twice=["uid"]), "nominated twice"),
        (aftermath(held=["uid"]), "still wait"),
        (aftermath(told=False), "does not tell"),
    ],
)
def test_a_leader_that_did_not_run_is_followed_and_does_no_harm(after: Aftermath, complaint: str | None) -> None:
    found = complaints_of(after)
    assert [complaint in text for text in found if complaint] == ([True] if complaint else [])
    assert bool(found) is bool(complaint)


def test_a_burst_holds_when_nothing_is_pending_and_tells_what_it_costs() -> None:
    found = judge_bursts("extender-hung", Bursts(40, 40, 2.0, 80.0, 0.1))
    assert (found.held, found.load, found.details["cost"]) == (True, 2.0, 0.975)
    assert not judge_bursts("extender-hung", Bursts(40, 39, 0.7, 80.0, 0.1)).held


@pytest.mark.parametrize(("milliseconds", "held"), [(15.0, True), (15.1, False), (5.0, True)])
def test_slow_clients_may_cost_half_as_much_again(milliseconds: float, held: bool) -> None:
    control = [Answers((10.0,), 1.0, 100)] * 3
    beside = [Answers((milliseconds,), 1.0, 100)] * 3
    found = judge_slow_clients("slow-clients-webhook", control, beside, 500)
    assert (found.held, found.requests, found.load) == (held, 300, 100.0)


def test_half_of_the_slow_clients_never_end_a_head_and_the_others_never_a_body() -> None:
    heads, bodies = drops(within_head=True), drops(within_head=False)
    sent = b"".join(next(heads) for _ in range(500))
    assert sent.startswith(HEAD)
    assert b"\r\n\r\n" not in sent
    assert next(bodies) == HEAD + b"\r\n"
    assert next(bodies) == b" "


async def passed(passing: Passing, *chunks: bytes) -> list[bytes]:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return [chunk async for chunk in passing(source())]


async def test_a_cut_watch_ends_after_so_many_bytes() -> None:
    offsets = iter([3, 0, 100])
    assert b"".join(await passed(cutting(lambda: next(offsets)), b"ab", b"cd")) == b"abc"
    assert b"".join(await passed(cutting(lambda: next(offsets)), b"ab", b"cd")) == b""
    assert b"".join(await passed(cutting(lambda: next(offsets)), b"ab", b"cd")) == b"abcd"


async def test_doubled_events_come_twice_and_some_once_more_late() -> None:
    text = b"".join(await passed(doubling, b"1\n2\n3\n4\n"))
    assert text.split() == [b"1", b"1", b"2", b"2", b"3", b"3", b"4", b"4", b"3"]


async def test_swapped_events_come_all_but_every_second_too_early() -> None:
    assert HOLD_SECONDS > 0
    assert b"".join(await passed(swapping, b"1\n2\n3\n4\n5\n")).split() == [b"2", b"1", b"4", b"3", b"5"]
