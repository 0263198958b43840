"""A rolling update's step: a replica that was told to end is an endpoint for a while, and must accept connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults.replicas import Replica, Replicas
from lab.commandlines import LOOPBACK


class Ending:
    """A process that listens, and ends as it was told to."""

    name = "stoker-0"

    def __init__(self, server: asyncio.Server, balancer_ports: list[int], *, lingers: bool) -> None:
        self.port: int = server.sockets[0].getsockname()[1]
        self.was_endpoint_when_told = False
        self._server, self._ports, self._lingers = server, balancer_ports, lingers

    async def stop(self, _: float) -> None:
        self.was_endpoint_when_told = self.port in self._ports
        if not self._lingers:
            self._server.close()
            return
        while self.port in self._ports:  # noqa: ASYNC110 - the balancer tells nobody
            await asyncio.sleep(0)


@asynccontextmanager
async def replica(monkeypatch: pytest.MonkeyPatch, *, lingers: bool) -> AsyncIterator[tuple[Replicas, Ending, Replica]]:
    async def add(_: Replicas) -> None:
        """Nobody takes its place."""

    monkeypatch.setattr("benchmarks.faults.replicas.LAG_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(Replicas, "add", add)
    replicas = Replicas(Path(), Path(), "webhook", (), {})
    server = await asyncio.start_server(lambda _, writer: writer.close(), LOOPBACK, 0)
    async with server:
        process: Any = Ending(server, replicas.balancer.backends, lingers=lingers)
        old = Replica(process, process.port, 0)
        replicas.running.append(old)
        replicas.balancer.backends.append(old.port)
        yield replicas, process, old


async def test_a_replica_is_an_endpoint_until_after_it_was_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async with replica(monkeypatch, lingers=True) as (replicas, process, old):
        await replicas.replace(old)
    assert process.was_endpoint_when_told
    assert (replicas.balancer.backends, replicas.running, replicas.complaints) == ([], [], [])


async def test_an_endpoint_that_refuses_connections_is_complained_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async with replica(monkeypatch, lingers=False) as (replicas, _, old):
        await replicas.replace(old)
    assert ["stoker-0 refused connections" in told for told in replicas.complaints] == [True]
