"""The collector is out of the way until the first lists are whole, and then as usual; what is free is given back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest

from cli.memory import LISTING_THRESHOLD, keep_trim, resident_bytes, settle, spare_collections, trim
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.snapshot import CONTAINERD_STARTS, LEASES, SANDBOX_FAILURES, Snapshot


@pytest.fixture
def usual() -> Iterator[tuple[int, int, int]]:
    """The collector's thresholds, which are as they were after the test."""
    thresholds = gc.get_threshold()
    yield thresholds
    gc.set_threshold(*thresholds)
    gc.unfreeze()


async def test_the_collector_looks_as_often_as_usual_once_every_list_is_whole_that_is_judged(
    usual: tuple[int, int, int],
) -> None:
    client: ApiClient = None  # type: ignore[assignment] # nothing is followed
    snapshot = Snapshot(client, Clock(), with_fleet=True)
    optional = LEASES, SANDBOX_FAILURES, CONTAINERD_STARTS
    *lists, last = [reflector for reflector in snapshot.reflectors if reflector.resource not in optional]
    spare_collections()
    settling = asyncio.create_task(settle(snapshot))
    for reflector in lists:
        reflector.synced.set()
    await asyncio.sleep(0)
    assert gc.get_threshold()[0] == LISTING_THRESHOLD
    last.synced.set()
    async with asyncio.timeout(5.0):
        await settling
    assert gc.get_threshold() == usual


class Memory:
    """Whose resident pages are those given, one for each look; a trim leaves what is in use."""

    def __init__(self, *residents: int, in_use: int) -> None:
        self._residents = list(residents)
        self._in_use = in_use
        self._now = self._residents.pop(0)
        self.trims: list[int] = []

    def resident(self) -> int:
        return self._now

    def trim(self) -> None:
        self.trims.append(self._now)
        self._now = min(self._now, self._in_use)

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        if not self._residents:
            raise asyncio.CancelledError
        self._now = self._residents.pop(0)

    async def kept(self) -> list[int]:
        """What was resident when it was trimmed."""
        with suppress(asyncio.CancelledError):
            await keep_trim(resident=self.resident, trim=self.trim, sleep=self.sleep)
        return self.trims


async def test_memory_is_trimmed_when_it_has_grown_by_more_than_a_quarter() -> None:
    assert await Memory(100, 120, 125, 126, 110, in_use=100).kept() == [126]


async def test_what_a_trim_leaves_is_in_use_and_is_not_trimmed_again() -> None:
    assert await Memory(100, 200, 210, 240, in_use=1_000).kept() == [200]


async def test_memory_that_shrank_is_the_measure_of_the_growth_after_it() -> None:
    assert await Memory(200, 100, 130, in_use=100).kept() == [130]


def test_a_trim_gives_back_what_is_free_between_what_is_used() -> None:
    before = resident_bytes()
    blocks = [bytearray(100_000) for _ in range(2_000)]
    last = blocks.pop()
    blocks.clear()
    trim()
    assert last
    assert resident_bytes() - before < 50_000_000
