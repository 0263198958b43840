"""Leases: who leads, and whether somebody who should be there still renews.

Both judge by renewals that were seen, on the local monotonic clock: the times written into a Lease are by another
machine's clock and are compared with nothing. Who leads is decided sooner where the holder is known to be dead
(`cluster/holders.py`).
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from time import monotonic
from typing import Any, Final

from cluster import wire
from cluster.client import ApiClient
from cluster.holders import Holder, HolderWatch, Reach, connect
from cluster.troubles import Troubles
from model.errors import Conflict, NotFound, StokerError

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 15
"""A Lease that was not seen renewed for so long is nobody's (client-go's LeaseDuration)."""

RENEW_SECONDS: Final = 2.0
"""Between two renewals, and between two looks of those who wait (client-go's RetryPeriod)."""

FIRST_LOOK_SECONDS: Final = 2 * RENEW_SECONDS + 1.0
"""How long after meeting a Lease its next renewal is to be expected."""

GIVE_UP_SECONDS: Final = 10.0
"""A leader that could not renew for so long stops leading, before others may begin (client-go's RenewDeadline)."""

UNFIT_SECONDS: Final = 10.0
"""A leader that is not fit to lead for so long without a break gives the Lease back. For less, a change of leaders
would cost more than it brings: some seconds pass until another leads, who may be no better off."""


@dataclass(frozen=True, slots=True)
class LeaseName:
    namespace: str
    name: str

    @property
    def collection(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    @property
    def path(self) -> str:
        return f"{self.collection}/{self.name}"


class LeaseObserver:
    """Whether somebody is seen to attend to what a Lease is for; fed by a reflector."""

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._renewed: dict[str, str] = {}
        self._seen: dict[str, float] = {}
        self._met: dict[str, float] = {}
        self._news = asyncio.Event()

    def changed(self, old: wire.Lease | None, new: wire.Lease | None) -> None:
        """A Lease that is new to us may be long dead: only a change of its renewal counts.

        Giving it back counts as the last renewal: whoever waits for it takes it at his next look, and nothing may go
        unattended in between.
        """
        self._news.set()
        if new is None or not new.spec.holder_identity:
            name = (new or old).metadata.name  # type: ignore[union-attr] # a sink gets one of the two at least
            was_held = self._renewed.pop(name, None) is not None
            if new is None:
                self._seen.pop(name, None)
            elif was_held and self.is_renewed(name):
                self._seen[name] = self._clock()
            return
        name, renewed = new.metadata.name, new.spec.renew_time or ""
        self._met.setdefault(name, self._clock())
        if old is not None and renewed != self._renewed.get(name):
            self._seen[name] = self._clock()
        self._renewed[name] = renewed

    def expected_here(self, name: str) -> None:
        """This very process is about to run for it, whether the Lease is there yet or not."""
        self._met.setdefault(name, self._clock())

    def renewed_here(self, name: str) -> None:
        """By this very process, which need not wait until it sees that."""
        self._seen[name] = self._clock()
        self._news.set()

    def complaint(self, asked: Collection[str]) -> str | None:
        """Why it is too early to tell the living of these from the dead: one was met or expected, and not yet due."""
        fresh = self._fresh(asked)
        return f"not known yet whether {', '.join(sorted(fresh))} is renewed" if fresh else None

    async def known(self, asked: Collection[str]) -> None:
        """Return when there is no complaint: FIRST_LOOK_SECONDS after the last was met, at the latest."""
        while fresh := self._fresh(asked):
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(fresh.values())):
                    await self._news.wait()

    def _fresh(self, asked: Collection[str]) -> dict[str, float]:
        """Those of which it is too early to tell, and for how many seconds still."""
        now = self._clock()
        left = {name: met + FIRST_LOOK_SECONDS - now for name, met in self._met.items() if name in asked}
        return {name: seconds for name, seconds in left.items() if seconds > 0 and name not in self._seen}

    def is_renewed(self, name: str) -> bool:
        seen = self._seen.get(name)
        return seen is not None and self._clock() - seen < LEASE_SECONDS


class Leadership:
    """Runs for a Lease and keeps it: `leading` is set while it is held.

    `address` is where this process listens already, as others reach it; empty keeps them from knowing when it is dead.
    `is_fit` says whether this process could do what the Lease is for: it runs only while that is so, and gives the
    Lease back where it is not for UNFIT_SECONDS. Where nobody is fit, nobody is seen to renew.
    """

    def __init__(
        self,
        client: ApiClient,
        lease: LeaseName,
        *,
        identity: str,
        address: str = "",
        connect: Callable[[str, int], Awaitable[Reach]] = connect,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        troubles: Troubles | None = None,
        is_fit: Callable[[], bool] = lambda: True,
    ) -> None:
        self.identity = f"{identity}_{secrets.token_hex(4)}"
        self.observers: list[Callable[[], None]] = []
        """Called when the Lease is won."""

        self._us = Holder(self.identity, address)
        self._holders = HolderWatch(self._us, connect=connect, sleep=sleep)
        self._client = client
        self._lease = lease
        self._clock = clock
        self._sleep = sleep
        self._troubles = troubles or Troubles(clock=clock)
        self._name = f"Lease {lease.name}"
        self._is_fit = is_fit
        self._fit_at = -inf
        self._leading = False
        self._resigned = False
        self._writing = asyncio.Lock()
        self._renewed_at = 0.0
        self._observed: tuple[str, str] = ("", "")
        self._observed_at = 0.0

    @property
    def leading(self) -> bool:
        """Held, and renewed lately enough that nobody else can have begun."""
        return self._leading and not self._resigned and self._clock() - self._renewed_at < GIVE_UP_SECONDS

    async def run(self) -> None:
        """Until cancelled or resigned."""
        while not self._resigned:
            async with self._writing:
                await self._try_round()
            await self._pause()

    async def resign(self) -> None:
        """Give the Lease back, so that the next leader need not wait for it to run out, and run no more."""
        self._resigned = True
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS), self._writing:  # a renewal under way may have won it
                if self._leading:
                    await self._give_back(await self._client.get(self._lease.path))
        except (StokerError, TimeoutError) as error:
            log.warning("the Lease %s was not given back and has to run out: %s", self._lease.name, error)
        self._leading = False

    async def _pause(self) -> None:
        """Until the next round is due, or the holder becomes known to be dead."""
        waits = [asyncio.ensure_future(wait) for wait in (self._sleep(RENEW_SECONDS), self._holders.death())]
        try:
            over, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in over:
                wait.result()
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _give_back(self, current: dict[str, Any]) -> None:
        """If it is ours."""
        if current["spec"].get("holderIdentity") == self.identity:
            await self._client.update(self._lease.path, self._body(current, Holder(""), seconds=1))

    async def _try_round(self) -> None:
        if self._resigned:
            return
        try:
            await self._round()
        except Conflict:
            self._lose("somebody else was quicker")
        except StokerError as error:
            self._troubles.failed(self._name, error)
            return
        self._troubles.over(self._name)

    async def _round(self) -> None:
        started = self._clock()
        may_lead = self._may_lead(started)
        if not may_lead:
            self._lose("not fit to lead")
        try:
            current = await self._client.get(self._lease.path)
        except NotFound:
            self._holders.met(Holder(""))
            if not may_lead:
                return
            await self._client.create(self._lease.collection, self._body({"metadata": {}, "spec": {}}, self._us))
            self._win(started)
            return
        holder = Holder.of(current)
        self._holders.met(holder)
        if not self._may_take(holder, current["spec"]):
            self._lose(f"held by {holder.identity}")
            return
        if not may_lead:
            await self._give_back(current)
            return
        await self._client.update(self._lease.path, self._body(current, self._us))
        if self._holders.is_dead:
            fields = {"lease": self._lease.name, "holder": holder.identity}
            log.warning("took the Lease of a holder that is dead", extra={"fields": fields})
        self._win(started)

    def _may_lead(self, now: float) -> bool:
        """Fit to begin, or leading and fit lately enough to go on."""
        if self._is_fit():
            self._fit_at = now
            return True
        return self.leading and now - self._fit_at < UNFIT_SECONDS

    def _may_take(self, holder: Holder, spec: dict[str, Any]) -> bool:
        """Ours, free, of a dead process, or not renewed under our eyes for as long as it lasts."""
        observed = holder.identity, str(spec.get("renewTime"))
        if observed != self._observed:
            self._observed, self._observed_at = observed, self._clock()
        lasts = spec.get("leaseDurationSeconds") or LEASE_SECONDS
        is_over = holder.identity in ("", self.identity) or self._clock() - self._observed_at >= lasts
        return is_over or self._holders.is_dead

    def _body(self, current: dict[str, Any], holder: Holder, *, seconds: int = LEASE_SECONDS) -> dict[str, Any]:
        """The Lease with this holder; its resourceVersion makes the write a precondition."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(current["spec"])
        if spec.get("holderIdentity") != holder.identity:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        spec |= {"holderIdentity": holder.identity, "renewTime": now, "leaseDurationSeconds": seconds}
        ours = {"name": self._lease.name, "namespace": self._lease.namespace, "annotations": holder.writes(current)}
        metadata = {**current["metadata"], **ours}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _win(self, at: float) -> None:
        """Anew too after a time without renewals, in which another one may have led; not while it is given back."""
        is_new = not self.leading and not self._resigned
        self._leading, self._renewed_at = True, at
        self._holders.met(self._us)
        if is_new:
            log.info("leading", extra={"fields": {"lease": self._lease.name, "identity": self.identity}})
            for tell in self.observers:
                tell()

    def _lose(self, why: str) -> None:
        if self._leading:
            log.warning("no longer leading", extra={"fields": {"lease": self._lease.name, "why": why}})
        self._leading = False
