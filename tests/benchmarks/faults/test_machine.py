"""What was promised of a replica that did not run for a while, of a scheduler without its extender, of slow clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.faults import newcomers
from benchmarks.faults.dripping import HEAD, drip, drops
from benchmarks.faults.meddler import HOLD_SECONDS, Passing, cutting, doubling, swapping
from benchmarks.faults.scheduling import Bursts, judge_bursts
from benchmarks.faults.slowness import Round, judge_slow_clients
from benchmarks.faults.suspension import Aftermath, Asked, complaints_of
from benchmarks.load import Answers, Trust
from lab.commandlines import LOOPBACK
from model.errors import LabError


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


@pytest.mark.parametrize(
    ("gates", "without"), [([{"name": "stoker.dev/warm-node"}], 0), ([{"name": "example.com/other"}], 1), ([], 1)]
)
def test_pods_that_were_let_in_without_our_gate_are_counted(gates: list[dict[str, str]], without: int) -> None:
    asked = Asked()
    asked.see({"spec": {"schedulingGates": gates}})
    asked.see({"spec": {"schedulingGates": [{"name": "stoker.dev/warm-node"}]}})
    assert (asked.pods, asked.without_gate) == (2, without)


def test_a_burst_holds_when_nothing_is_pending_and_tells_what_it_costs() -> None:
    found = judge_bursts("extender-hung", Bursts(40, 40, 2.0, 80.0, 0.1))
    assert (found.held, found.load, found.details["cost"]) == (True, 2.0, 0.975)
    assert not judge_bursts("extender-hung", Bursts(40, 39, 0.7, 80.0, 0.1)).held


def answers(milliseconds: float, sent: int) -> Answers:
    return Answers((milliseconds,), 1.0, sent)


@pytest.mark.parametrize(
    ("kept", "own", "complaint"),
    [(15.0, 30.0, ""), (5.0, 10.0, ""), (15.1, 30.0, "p99 of honest"), (15.0, 30.1, "p90 of those that connected")],
)
def test_slow_clients_may_cost_half_as_much_again(kept: float, own: float, complaint: str) -> None:
    control = [Round(answers(10.0, 90), answers(20.0, 10))] * 3
    beside = [Round(answers(kept, 90), answers(own, 10))] * 3
    found = judge_slow_clients("slow-clients-webhook", control, beside, 500)
    assert (found.requests, found.load, found.details["connections"]) == (300, 100.0, 30)
    assert [complaint in told for told in found.complaints] == ([True] if complaint else [])


async def test_a_slow_client_says_when_it_was_thrown_out_and_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.faults.dripping.PAUSE_SECONDS", 0.0)
    returned, thrown_out = asyncio.Queue[int](), 0

    async def throw_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal thrown_out
        thrown_out += 1
        await reader.read(1)
        writer.transport.abort()

    async with await asyncio.start_server(throw_out, LOOPBACK, 0) as server:
        client = asyncio.create_task(drip(f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}", 7, returned))
        assert await asyncio.wait_for(returned.get(), 30) == 7
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    assert thrown_out >= 1


async def test_every_newcomer_has_a_connection_of_its_own() -> None:
    peers = list[object]()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.append(request.transport.get_extra_info("peername"))
        return web.Response(status=200 if len(peers) < 4 else 503, text="too many")

    app = web.Application()
    app.router.add_post("/mutate", answer)
    async with TestServer(app) as server:
        with pytest.raises(LabError, match="503 too many"):
            await newcomers.send(str(server.make_url("/mutate")), b"{}", 3_600.0, Trust())
    assert len(set(peers)) == len(peers) == 4


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
