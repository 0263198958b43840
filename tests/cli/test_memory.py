"""The collector is out of the way until the first lists are whole, and then as usual."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from cli.memory import LISTING_THRESHOLD, settle, spare_collections
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
