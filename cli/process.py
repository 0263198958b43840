"""A process of `stoker serve`: its parts, the order in which they start and end, and what the death of one means."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from cli.background import end
from cli.memory import keep_trim, settle, spare_collections
from cli.options import Target
from cli.roles import Listens, Role, verifies_clients
from cli.tls import TlsOptions, keep_certificates, withdraw
from model import names

if TYPE_CHECKING:
    from certs.keeper import CertificateKeeper
    from certs.serving import ServingTls
    from cli.placing import Placing
    from cluster.client import ApiClient
    from cluster.snapshot import Snapshot
    from extender.scheduling import Scheduling
    from serving.addresses import Address
    from serving.listener import Listener

LINGER_SECONDS: Final = 10.0
"""In which every node learns that this is no endpoint any more (that begins with SIGTERM, and new connections come
until it is done), and connections that API servers keep come to their next request and so to their end."""

DRAIN_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 5.0
"""Together with what the health listener and the withdrawal take, within the Deployment's grace of 45 s."""

READ_SECONDS: Final = 10.0
"""In which what the webhook goes by is read; what is not by then may be refused, and is done without."""

log = logging.getLogger("stoker")


class UnknownProfile(StrEnum):
    REFUSE = "refuse"
    ADMIT = "admit"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """What the command line asked for."""

    roles: frozenset[Role]
    target: Target
    listens: Listens
    tls: TlsOptions
    insecure_http: bool
    unknown_profile: UnknownProfile
    time_scale: float
    linger_seconds: float
    metrics: bool

    @property
    def needs_fleet(self) -> bool:
        return not self.roles.isdisjoint({Role.EXTENDER, Role.CONTROLLERS})

    @property
    def places(self) -> bool:
        return Role.CONTROLLERS in self.roles


class ServingProcess:
    """The parts of a serving process, and the order in which they start and end."""

    def __init__(
        self, options: ServeOptions, client: ApiClient, snapshot: Snapshot, stack: AsyncExitStack, stop: asyncio.Event
    ) -> None:
        self._options = options
        self._client = client
        self._snapshot = snapshot
        self._stack = stack
        self._stop = stop
        self._death: BaseException | None = None
        self._not_serving: str | None = "not listening yet"
        self._taking_in = "the first lists are being taken in"
        """Empty once an answer takes no longer than it ever will: nobody is told before that we are ready."""

        self._prepared: list[asyncio.Event] = []

    async def run(self) -> None:
        """Health first, then the certificate, then the listeners; at the end not ready first, then drained.

        Health ends last: others learn from it that this replica lives. SystemExit where a part of it had died.
        """
        from serving.exposition import Exposition
        from serving.health import build_app
        from serving.listener import Listener
        from serving.pulse import watch_time

        tls, keeper = self._certificates()
        checks = {
            "snapshot": self._snapshot.complaint,
            "listeners": lambda: self._not_serving or self._taking_in or None,
        }
        if keeper is not None:
            checks["certificate"] = keeper.readiness_complaint
        if Role.WEBHOOK in self._options.roles:
            checks["leases"] = self._attendance_complaint
        placing = self._placing() if self._options.places else None
        self._background(watch_time(), "time")
        self._background(keep_trim(), "memory")
        app = build_app(checks, Exposition() if self._options.metrics else None)
        health = Listener(app, self._options.listens.metrics)
        listeners = self._listeners(tls)
        await health.start()
        try:
            if placing is not None:
                await placing.begin(health.address)
            await self._follow()
            if keeper is not None:
                self._background(keeper.run(), "certificates")
                await _first(keeper.started.wait(), self._stop.wait())
            if not self._stop.is_set():
                await self._listen(listeners)
        finally:
            linger_seconds = self._options.linger_seconds if self._not_serving is None else 0.0
            self._not_serving = "shutting down"
            drains = [listener.drain(DRAIN_SECONDS, linger_seconds=linger_seconds) for listener in listeners.values()]
            endings = [*drains, *(() if placing is None else (placing.end(),))]
            async with asyncio.timeout(linger_seconds + DRAIN_SECONDS + CLOSE_SECONDS):
                await asyncio.gather(*endings)
            await health.drain(1.0)
            log.info("stopped")
        if self._death is not None:
            raise SystemExit(1)

    async def _follow(self) -> None:
        """Once all parts are made: importing them takes half a second, in which nobody would read what comes."""
        spare_collections()
        await self._stack.enter_async_context(self._snapshot.following())
        self._background(self._prepare(), "first lists")

    async def _prepare(self) -> None:
        """The collector's long look comes last, after all that makes objects, and before anybody asks."""
        for event in self._prepared:
            await event.wait()
        await settle(self._snapshot)
        self._taking_in = ""

    def _attendance_complaint(self) -> str | None:
        return self._snapshot.tenancy.leases.complaint(self._leases_asked())

    async def _attendance_known(self) -> None:
        """Until pods need not do without a gate for want of knowledge, but for no longer than that takes to be had."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await self._snapshot.admission_read()
        leases = self._snapshot.tenancy.leases
        if self._options.places:
            leases.expected_here(names.CONTROLLERS_LEASE)  # once the rest of the snapshot is read too
        await leases.known(self._leases_asked())

    def _leases_asked(self) -> set[str]:
        from webhook.attendance import leases_behind

        return leases_behind(self._snapshot.tenancy.profiles.values())

    async def _listen(self, listeners: Mapping[Role, Listener]) -> None:
        """The webhook's last: what it waits for is nothing to the others."""
        for role, listener in listeners.items():
            if role is not Role.WEBHOOK:
                await listener.start()
        if Role.WEBHOOK in listeners:
            await _first(self._attendance_known(), self._stop.wait())
            if self._stop.is_set():
                return
            await listeners[Role.WEBHOOK].start()
        self._not_serving = None
        await self._stop.wait()
        log.info("stopping: not ready any more, requests are finished")

    def _certificates(self) -> tuple[ServingTls | None, CertificateKeeper | None]:
        if self._options.insecure_http:
            return None, None
        tls, keeper, source = keep_certificates(self._options.tls, self._client)
        self._stack.push_async_callback(withdraw, source)  # after the keeper's end: the stack unwinds from its top
        return tls, keeper

    def _listeners(self, tls: ServingTls | None) -> dict[Role, Listener]:
        from serving.listener import Listener

        apps = {Role.WEBHOOK: self._webhook_app, Role.EXTENDER: self._extender_app}
        listeners = {}
        for role, address in self._options.listens.roles.items():
            context = None if tls is None else self._context(role, tls, address)
            listeners[role] = Listener(apps[role](), address, ssl_context=context)
        return listeners

    def _context(self, role: Role, tls: ServingTls, address: Address) -> ssl.SSLContext:
        return tls.mutual_context if verifies_clients(role, address, self._options.tls) else tls.context

    def _webhook_app(self) -> Any:
        from webhook.app import build_app

        return build_app(self._snapshot.tenancy, unknown_profile=self._options.unknown_profile.value)

    def _extender_app(self) -> Any:
        from cluster.events import EventRecorder
        from extender.app import build_app
        from extender.scheduling import Scheduling
        from extender.telling import Telling

        # Both wait for a pause: what is told in one takes longer to write, and the scheduler may ask again meanwhile.
        recorder = EventRecorder(self._client, "stoker-extender", is_busy=lambda: scheduling.is_asked)
        self._background(recorder.run(), "events")
        telling = Telling(recorder.emit, is_busy=lambda: scheduling.is_asked)
        self._background(telling.run(), "telling")
        snapshot, clock = self._snapshot, self._snapshot.clock
        scheduling = Scheduling(snapshot.tenancy, snapshot.fleet, clock, telling.put_down)
        self._prepared.append(scheduling.caught_up)
        self._background(_keep_up(scheduling, snapshot), "scores")
        return build_app(scheduling)

    def _placing(self) -> Placing:
        from cli.placing import Placing

        return Placing(self._client, self._snapshot, self._background)

    def _background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Work that the process is nothing without: where it dies, the process ends, and is started anew by its keeper.

        A leader that renews its Lease and does nothing else would be worse than none.
        """
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._report_death)
        self._stack.push_async_callback(end, task)
        return task

    def _report_death(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "background work died, so the process ends", exc_info=error, extra={"fields": {"work": task.get_name()}}
            )
            self._death = error
            self._stop.set()


async def _keep_up(scheduling: Scheduling, snapshot: Snapshot) -> None:
    """Nobody is answered from scores before the first lists are whole, and each of a node's pods would change them."""
    await snapshot.whole()
    await scheduling.keep_up()


async def _first(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return as soon as one of the waits is over, and end the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
