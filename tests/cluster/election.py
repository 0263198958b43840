"""A Lease on a scripted API, and replicas that run for it, whose clocks, rounds and probes a test moves."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from typing import Any

from cluster.client import ApiClient
from cluster.holders import PROBE_SECONDS, Reach
from cluster.leases import RENEW_SECONDS, Leadership, LeaseName
from model.errors import Conflict, NotFound

LEASE = LeaseName("stoker-system", "stoker-controllers")


class Api:
    """One Lease with a resourceVersion; `failure` is raised instead of an answer, `before_update` runs before a PUT."""

    def __init__(self) -> None:
        self.server = "https://127.0.0.1:6443"
        self.lease: dict[str, Any] | None = None
        self.created = asyncio.Event()
        self.failure: Exception | None = None
        self.candidates: list[asyncio.Task[None]] = []
        self.before_update: Callable[[], None] = lambda: None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = asyncio.Event()
        """Set when a request has come to the gate."""
        self.listening: dict[str, bool] = {}
        """Whether somebody listens at an address; of others nothing is heard."""

    async def get(self, path: str) -> dict[str, Any]:
        await self._pass(path)
        if self.lease is None:
            raise NotFound("no lease", status=404)
        return copy.deepcopy(self.lease)

    async def create(self, path: str, body: dict[str, Any]) -> None:
        assert path == LEASE.collection
        self.before_update()
        if self.lease is not None:
            raise Conflict("exists", status=409)
        self.lease = self._versioned(body, 1)
        self.created.set()

    async def update(self, path: str, body: dict[str, Any]) -> None:
        await self._pass(path)
        self.before_update()
        assert self.lease is not None
        version = self.lease["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != version:
            raise Conflict("modified", status=409)
        self.lease = self._versioned(body, int(version) + 1)

    async def close(self) -> None:
        """End all replicas."""
        for task in self.candidates:
            task.cancel()
        await asyncio.gather(*self.candidates, return_exceptions=True)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        spec: dict[str, Any] = self.lease["spec"]
        return spec

    async def connect(self, host: str, port: int) -> Reach:
        listens = self.listening.get(f"{host}:{port}")
        return Reach.NONE if listens is None else Reach.ACCEPTED if listens else Reach.REFUSED

    @property
    def annotations(self) -> dict[str, str]:
        assert self.lease is not None
        annotations: dict[str, str] = self.lease["metadata"]["annotations"]
        return annotations

    async def _pass(self, path: str) -> None:
        assert path == LEASE.path
        self.waiting.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure

    @staticmethod
    def _versioned(body: dict[str, Any], version: int) -> dict[str, Any]:
        stored = copy.deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(version)
        return stored


class Replica:
    """A candidate whose clock and rounds a test moves."""

    def __init__(self, api: Api, identity: str = "replica", address: str = "") -> None:
        self.now = 0.0
        self.is_fit = True
        self._turn = asyncio.Semaphore(0)
        self._slept = asyncio.Semaphore(0)
        self._probe: asyncio.Future[None] = asyncio.Future()
        self._probe_is_due = asyncio.Event()
        client: ApiClient = api  # type: ignore[assignment] # the three methods that a Lease needs
        self.leadership = Leadership(
            client,
            LEASE,
            identity=identity,
            address=address,
            connect=api.connect,
            clock=lambda: self.now,
            sleep=self._sleep,
            is_fit=lambda: self.is_fit,
        )
        self.task = asyncio.create_task(self.leadership.run())
        api.candidates.append(self.task)

    @property
    def leading(self) -> bool:
        return self.leadership.leading

    async def _sleep(self, seconds: float) -> None:
        if seconds == PROBE_SECONDS:
            self._probe = asyncio.Future()
            self._probe_is_due.set()
            await self._probe
            return
        assert seconds == RENEW_SECONDS
        self._slept.release()
        await self._turn.acquire()

    @property
    def is_alive(self) -> bool:
        return not self.task.done()

    async def die(self) -> None:
        """As by SIGKILL: nothing is given back."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def first_round(self) -> None:
        await asyncio.wait_for(self._slept.acquire(), 10)

    def begin_round(self, after: float = RENEW_SECONDS) -> None:
        self.now += after
        self._slept = asyncio.Semaphore(0)  # a round that a probe led to has slept too
        self._turn.release()

    async def round(self, after: float = RENEW_SECONDS) -> None:
        self.begin_round(after)
        await self.first_round()

    async def probe(self) -> None:
        """Look for the holder once more; where he is dead, there is a round."""
        await asyncio.wait_for(self._probe_is_due.wait(), 10)
        self._probe_is_due.clear()
        self._probe.set_result(None)
        await asyncio.wait_for(self._probe_is_due.wait(), 10)

    async def rounds(self, seconds: float) -> None:
        for _ in range(round(seconds / RENEW_SECONDS)):
            await self.round()


async def started(api: Api, identity: str = "replica", address: str = "") -> Replica:
    """An address that is given is listened on."""
    if address:
        api.listening[address] = True
    replica = Replica(api, identity, address)
    await replica.first_round()
    return replica
