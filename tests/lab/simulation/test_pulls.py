"""The line of a node's pulls, with time told by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.simulation.clock import Clock
from lab.simulation.physics import PullWork
from lab.simulation.pulls import Download, FinishedPull, Puller, PullLine


def download(fixed_seconds: float, transfer_seconds: float) -> Download:
    return Download(lambda: PullWork(fixed_seconds, transfer_seconds), lambda _at: None)


def ends(pulls: list[FinishedPull]) -> dict[str, Any]:
    return {pull.key: pytest.approx(pull.ended, abs=1e-6) for pull in pulls}


def test_a_pull_alone_takes_its_own_time() -> None:
    line = PullLine(parallel=1)
    line.request(10, "a", download(5, 35))
    assert ends(line.advance(100)) == {"a": 50}


def test_serial_pulls_wait_for_each_other() -> None:
    line = PullLine(parallel=1)
    line.request(0, "a", download(5, 35))
    line.request(1, "b", download(5, 15))
    finished = line.advance(100)
    assert ends(finished) == {"a": 40, "b": 60}
    assert finished[1].begun == pytest.approx(40)
    assert finished[1].requested == 1


def test_parallel_pulls_share_the_rate_but_not_the_fixed_time() -> None:
    line = PullLine(parallel=2)
    line.request(0, "a", download(5, 20))
    line.request(0, "b", download(5, 10))
    assert ends(line.advance(100)) == {"b": 25, "a": 35}


def test_a_pull_that_comes_later_slows_the_one_that_runs() -> None:
    line = PullLine(parallel=2)
    line.request(0, "a", download(0, 20))
    line.request(10, "b", download(0, 20))
    assert ends(line.advance(100)) == {"a": 30, "b": 40}


def test_a_third_pull_waits_where_two_may_run() -> None:
    line = PullLine(parallel=2)
    for key in ("a", "b", "c"):
        line.request(0, key, download(0, 10))
    finished = line.advance(100)
    assert [pull.begun for pull in finished if pull.key == "c"] == [pytest.approx(20)]


def test_a_pull_behind_the_same_image_finds_it_present() -> None:
    present: list[float] = []
    line = PullLine(parallel=1)
    both = Download(lambda: PullWork(0.1, 0) if present else PullWork(5, 35), present.append)
    line.request(0, "first", both)
    line.request(0, "second", both)
    assert ends(line.advance(100)) == {"first": 40, "second": 40.1}


def test_nothing_moves_while_containerd_is_down() -> None:
    line = PullLine(parallel=1)
    line.request(0, "a", download(5, 35))
    line.freeze(20, until=24)
    assert line.advance(43) == []
    assert ends(line.advance(44)) == {"a": 44}


def test_a_pull_that_waits_can_be_withdrawn() -> None:
    line = PullLine(parallel=1)
    line.request(0, "a", download(0, 10))
    line.request(0, "b", download(0, 10))
    line.request(0, "c", download(0, 10))
    line.withdraw(5, "b")
    assert ends(line.advance(100)) == {"a": 10, "c": 20}


async def test_what_is_asked_for_late_begins_when_it_was_due() -> None:
    wall = 0.0
    puller = Puller(Clock(1, monotonic=lambda: wall, unix=lambda: wall), parallel=1)
    first = asyncio.create_task(puller.pull(0, download(0, 0.01)))
    await asyncio.sleep(0)
    wall = 100.0  # the machine did something else meanwhile
    assert (await first).ended == pytest.approx(0.01)
    async with asyncio.timeout(10):
        second = await puller.pull(5, download(0, 1))
    assert [second.begun, second.ended] == [pytest.approx(5), pytest.approx(6)]


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0, 20), st.floats(0, 60)), min_size=1, max_size=8),
    st.integers(1, 4),
    st.lists(st.floats(0, 600), max_size=10),
)
def test_how_often_one_looks_does_not_change_the_ends(
    requests: list[tuple[float, float, float]], parallel: int, looks: list[float]
) -> None:
    def run(moments: list[float]) -> dict[str, float]:
        line = PullLine(parallel)
        finished: list[FinishedPull] = []
        happenings = sorted(
            [(at, number, work) for number, (at, *work) in enumerate(requests)] + [(at, -1, []) for at in moments],
            key=lambda happening: happening[:2],
        )
        for at, number, work in happenings:
            finished += line.advance(at) if number < 0 else line.request(at, str(number), download(*work))
        finished += line.advance(10_000)
        return {pull.key: pull.ended for pull in finished}

    undisturbed = run([])
    assert set(undisturbed) == {str(number) for number in range(len(requests))}
    assert run(looks) == {key: pytest.approx(end, abs=1e-5) for key, end in undisturbed.items()}
