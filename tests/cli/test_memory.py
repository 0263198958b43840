"""The collector is out of the way until the first lists are whole, and then as usual."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cli.memory import LISTING_THRESHOLD, settle, spare_collections


@pytest.fixture
def usual() -> Iterator[tuple[int, int, int]]:
    """The collector's thresholds, which are as they were after the test."""
    thresholds = gc.get_threshold()
    yield thresholds
    gc.set_threshold(*thresholds)
    gc.unfreeze()


async def test_the_collector_looks_as_often_as_usual_once_every_list_is_whole(usual: tuple[int, int, int]) -> None:
    lists = [SimpleNamespace(synced=asyncio.Event()) for _ in range(2)]
    snapshot: Any = SimpleNamespace(reflectors=lists)
    spare_collections()
    settling = asyncio.create_task(settle(snapshot))
    lists[0].synced.set()
    await asyncio.sleep(0)
    assert gc.get_threshold()[0] == LISTING_THRESHOLD
    lists[1].synced.set()
    await settling
    assert gc.get_threshold() == usual
