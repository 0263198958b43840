"""The controllers of a replica: how they begin, and in which order they end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cli.placing import Placing
from cluster.client import ApiClient
from cluster.clock import Clock
from cluster.leases import Leadership
from cluster.snapshot import Snapshot
from serving.addresses import Address
from tests.cluster.election import Api


class Replica:
    """Runs for the Lease of an API that is scripted; what is placed is this: a write that takes its time."""

    def __init__(self, server: str = "https://127.0.0.1:6443") -> None:
        self.api = Api()
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.is_writing = asyncio.Event()
        self.api.server = server
        client: ApiClient = self.api  # type: ignore[assignment] # what a Lease needs, and the server's URL
        self.snapshot = Snapshot(client, Clock(), with_fleet=True)
        self.placing = Placing(client, self.snapshot, self._background)

    async def begin(self) -> None:
        await self.placing.begin(Address("", 9090))

    def read(self) -> None:
        """All that the snapshot is judged by."""
        for reflector in self.snapshot.reflectors:
            reflector.synced.set()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        if name == "placement":
            work.close()
            work = self._write()
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def _write(self) -> None:
        self.is_writing.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            self.order.append("written")


async def test_what_is_being_written_is_finished_before_the_lease_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replica = Replica()
    resign = Leadership.resign

    async def resigning(leadership: Leadership) -> None:
        replica.order.append("giving back")
        await resign(leadership)
        replica.order.append(f"held by {replica.api.spec['holderIdentity'] or 'nobody'}")

    monkeypatch.setattr(Leadership, "resign", resigning)
    await replica.begin()
    replica.read()
    try:
        async with asyncio.timeout(10):
            await replica.is_writing.wait()
            await replica.api.created.wait()
            await replica.placing.end()
    finally:
        await replica.close()
    assert replica.order == ["written", "giving back", "held by nobody"]


async def test_a_replica_runs_for_the_lease_when_its_snapshot_is_whole_and_not_before() -> None:
    replica = Replica()
    await replica.begin()
    try:
        for _ in range(20):
            await asyncio.sleep(0)
        assert not replica.api.waiting.is_set()
        replica.read()
        async with asyncio.timeout(10):
            await replica.api.created.wait()
    finally:
        await replica.close()


async def test_a_replica_that_ends_before_its_snapshot_is_whole_gives_nothing_back() -> None:
    replica = Replica()
    await replica.begin()
    try:
        async with asyncio.timeout(10):
            await replica.placing.end()
    finally:
        await replica.close()
    assert not replica.api.waiting.is_set()


async def test_a_leader_whose_snapshot_stays_unusable_gives_the_lease_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cluster.leases.RENEW_SECONDS", 0.01)
    monkeypatch.setattr("cluster.leases.UNFIT_SECONDS", 0.02)
    replica = Replica()
    await replica.begin()
    replica.read()
    try:
        async with asyncio.timeout(10):
            await replica.api.created.wait()
            replica.snapshot.reflectors[0].synced.clear()
            while replica.api.spec["holderIdentity"]:  # noqa: ASYNC110 - the renewals go on by themselves
                await asyncio.sleep(0.005)
    finally:
        await replica.close()


@pytest.mark.parametrize(
    ("server", "warnings"), [("https://127.0.0.1:6443", 0), (f"https://{'x' * 64}.example:6443", 1)]
)
async def test_a_replica_whose_death_nobody_will_notice_at_once_says_so(
    server: str, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    replica = Replica(server)
    await replica.begin()
    await replica.close()
    assert caplog.text.count("its death is noticed") == warnings
