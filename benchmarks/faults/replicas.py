"""Replicas of Stoker behind a plain TCP balancer, replaced as a Deployment and its Service replace them."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from lab.balancer import Balancer
from lab.commandlines import LOOPBACK
from lab.processes import Process, start_on_free_ports
from lab.stage import is_ready, serving

GRACE_SECONDS: Final = 45.0
"""The Deployment's terminationGracePeriodSeconds."""

LAG_SECONDS: Final = (1.0, 2.0)
"""For so long new connections go to a replica that was told to end: the Service's endpoints learn of it meanwhile."""

PROBE_SECONDS: Final = 2.0
PROBE_FAILURES: Final = 5
"""The Deployment's readinessProbe: a replica that failed so often in a row is no endpoint of the Service any more."""


@dataclass(frozen=True, slots=True)
class Replica:
    process: Process
    port: int
    metrics_port: int


@dataclass(slots=True)
class Replicas:
    """Those that run, in the order in which they were started; each is a backend of `balancer` while it is ready."""

    kubeconfig: Path
    logs: Path
    roles: str
    options: Sequence[str]
    environment: Mapping[str, str]
    balancer: Balancer = field(default_factory=Balancer)
    running: list[Replica] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What replicas did that would have cost requests behind a Service, a sentence each."""

    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @classmethod
    @asynccontextmanager
    async def serve(
        cls,
        count: int,
        kubeconfig: Path,
        logs: Path,
        *,
        roles: str,
        options: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> AsyncIterator[Replicas]:
        """`count` replicas, ready and behind the balancer."""
        replicas = cls(kubeconfig, logs, roles, options, environment)
        async with replicas.balancer:
            try:
                await asyncio.gather(*(replicas.add() for _ in range(count)))
                yield replicas
            finally:
                await asyncio.gather(*(replica.process.stop() for replica in replicas.running))

    async def add(self) -> Replica:
        """Another one, an endpoint as soon as it is ready."""
        name, taken = f"stoker-{next(self._numbers)}", list[int]()

        def build(ports: Sequence[int]) -> Process:
            taken[:] = ports
            options = ["--kubeconfig", str(self.kubeconfig), "--webhook-listen", f"{LOOPBACK}:{ports[0]}"]
            return serving(
                name, self.roles, ports[1], [*options, *self.options], log=self.logs / f"{name}.log",
                environment=self.environment,
            )  # fmt: skip

        process = await start_on_free_ports(2, build)
        replica = Replica(process, taken[0], taken[1])
        self.running.append(replica)
        self.balancer.backends.append(replica.port)
        return replica

    async def replace(self, replica: Replica) -> None:
        """A rolling update's step: the new one is ready before the old one is told to end.

        The old one is an endpoint for a while after that, and must accept connections: the balancer passes over a port
        that refuses them, which kube-proxy does not.
        """
        await self.add()
        self.running.remove(replica)
        stopping = asyncio.create_task(replica.process.stop(GRACE_SECONDS))
        lag_seconds = random.uniform(*LAG_SECONDS)  # noqa: S311 - spreads, guards nothing
        try:
            await asyncio.sleep(lag_seconds)
            if not await _accepts(replica.port):
                told = (
                    f"{replica.process.name} refused connections {lag_seconds:.1f} s after SIGTERM, an endpoint still"
                )
                self.complaints.append(told)
        finally:
            self.balancer.backends.remove(replica.port)
            await stopping

    async def replace_all(self) -> None:
        for replica in tuple(self.running):
            await self.replace(replica)

    async def kill(self, replica: Replica) -> None:
        """SIGKILL; it stays an endpoint, as it does until a probe has failed."""
        await replica.process.kill()

    @asynccontextmanager
    async def suspended(self, replica: Replica) -> AsyncIterator[None]:
        """SIGSTOP, and SIGCONT at the end of the block; no endpoint from the probes' failure on, until `rejoin`."""
        replica.process.signal(signal.SIGSTOP)
        leaving = asyncio.create_task(self._leave(replica))
        try:
            yield
        finally:
            leaving.cancel()
            replica.process.signal(signal.SIGCONT)

    async def _leave(self, replica: Replica) -> None:
        await asyncio.sleep(PROBE_FAILURES * PROBE_SECONDS)
        self.balancer.backends.remove(replica.port)

    async def rejoin(self, replica: Replica) -> None:
        """An endpoint again, once it says that it is ready."""
        check = is_ready(replica.metrics_port)
        while not await check():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.1)
        if replica.port not in self.balancer.backends:
            self.balancer.backends.append(replica.port)


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
