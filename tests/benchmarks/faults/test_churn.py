"""What is followed changes, and all of it: a copy that runs ahead of the wall's clock takes rest for a dead watch."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.faults import churn
from benchmarks.faults.churn import Churn
from lab.constants import load_constants

DEADLINE_SECONDS = 20.0
COLLECTIONS = {"namespaces", "tenantprofiles", "runtimeclasses", "nodes"}


class Patched:
    """A client whose writes all succeed; keeps the collections that were patched."""

    def __init__(self) -> None:
        self.collections: set[str] = set()
        self.all_seen = asyncio.Event()

    async def create(self, *_: Any) -> None:
        await asyncio.sleep(0)

    async def delete(self, *_: Any) -> None:
        await asyncio.sleep(0)

    async def patch_for_version(self, path: str, _: Any) -> str:
        await asyncio.sleep(0)
        self.collections.add(path.split("/")[-2])
        if self.collections == COLLECTIONS:
            self.all_seen.set()
        return "1"


async def test_objects_of_every_collection_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(churn, "PAUSE_SECONDS", 0.0)
    client = Patched()
    changing = Churn(client, load_constants(None))  # type: ignore[arg-type] # what it uses of a client
    await changing.prepare()
    async with asyncio.timeout(DEADLINE_SECONDS), changing.going_on():
        await client.all_seen.wait()
