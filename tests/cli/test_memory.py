"""The collector is out of the way until the first lists are whole, and then as usual; what is free is given back."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.memory import LISTING_THRESHOLD, keep_trim, settle, spare_collections
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


async def test_what_is_free_between_what_is_used_is_given_back_again_and_again() -> None:
    grown: list[tuple[bool, bool]] = []
    survivors: list[bytearray] = []
    before = kept = 0.0

    async def churn(_: float) -> None:
        """Two hundred megabytes come and go while it sleeps, but for the last."""
        nonlocal before, kept
        if survivors:
            grown.append((kept > 150, resident_mebibytes() - before < 50))
        if len(grown) == 2:
            raise asyncio.CancelledError
        before = resident_mebibytes()
        blocks = [bytearray(100_000) for _ in range(2_000)]
        survivors.append(blocks.pop())
        blocks.clear()
        kept = resident_mebibytes() - before

    with suppress(asyncio.CancelledError):
        await keep_trim(sleep=churn)
    assert grown == [(True, True)] * 2


async def test_after_the_first_lists_the_collector_counts_from_nothing(usual: tuple[int, int, int]) -> None:
    """Else it would wait for a quarter as many new objects as the lists left before it looks for cycles in full."""
    client: ApiClient = None  # type: ignore[assignment] # nothing is followed
    snapshot = Snapshot(client, Clock(), with_fleet=True)
    for reflector in snapshot.reflectors:
        reflector.synced.set()
    spare_collections()
    listed = [[number] for number in range(1_000_000)]
    await settle(snapshot)
    looked = gc.get_stats()[2]["collections"]
    usual_in, young_in, old_in = usual
    later = [[number] for number in range(2 * usual_in * young_in * old_in)]
    assert gc.get_stats()[2]["collections"] > looked, f"{len(later)} after {len(listed)}"


def resident_mebibytes() -> float:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize() / 2**20
