"""A burst while the extender is away: which pods tell how fast it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.faults import scheduling
from benchmarks.faults.scheduling import SHORT, Bound, SchedulingPlace, killed


class Extender:
    """A process that tells what was done to it."""

    def __init__(self, done: list[str]) -> None:
        self.done = done

    async def kill(self) -> None:
        self.done.append("killed")

    async def start(self) -> None:
        self.done.append("started")

    async def check(self) -> bool:
        return True


def place_where(burst: Callable[..., Awaitable[Bound]], done: list[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    nothing: Any = None
    party: Any = SimpleNamespace(process=Extender(done))
    monkeypatch.setattr(scheduling.SchedulingPlace, "burst", burst)
    return SchedulingPlace(nothing, nothing, party, nothing, SHORT, healthy=80.0)


async def test_pods_that_were_bound_before_the_fault_do_not_count_as_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    async def burst(_: object, __: str, count: int, disturb: Callable[[], Awaitable[None]] | None = None) -> Bound:
        done.append("burst")
        if disturb is None:
            return Bound(count, 4.0 * count)
        await disturb()
        return Bound(count, 0.1)

    found = await killed(place_where(burst, done, monkeypatch))
    assert done == ["burst", "killed", "burst", "started"]
    assert (found.held, found.requests, found.load) == (True, 2 * SHORT.hampered, 0.25)
