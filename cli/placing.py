"""Placement in a process of `stoker serve`: its parts, and when it may begin and has to end."""

from __future__ import annotations

import logging
import platform
from typing import TYPE_CHECKING

from cli.background import Background, end
from cluster.client import ApiClient
from cluster.events import EventRecorder
from cluster.holders import reached_at
from cluster.leases import Leadership, LeaseName
from cluster.snapshot import Snapshot
from model import names
from placement.controller import PlacementController
from placement.gates import GateKeeper
from serving.addresses import Address

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger(__name__)


class Placing:
    """The controllers of one replica."""

    def __init__(self, client: ApiClient, snapshot: Snapshot, background: Background) -> None:
        self._client = client
        self._snapshot = snapshot
        self._background = background
        self._leadership: Leadership | None = None
        self._placement: asyncio.Task[None] | None = None

    async def begin(self, listens: Address) -> None:
        """Run for the Lease as soon as the snapshot is whole: who leads and knows nothing keeps out who could decide.

        This address is listened on already: whoever connects there in vain takes us for dead.
        """
        client, snapshot = self._client, self._snapshot
        reached = await reached_at(listens.host, listens.port, client.server)
        if not reached:
            log.warning(
                "no address on the way to the API server was found: while this process leads, its death is noticed "
                "when the Lease has run out, not at once; start it again when the name can be looked up",
                extra={"fields": {"server": client.server}},
            )
        lease = LeaseName(names.NAMESPACE, names.CONTROLLERS_LEASE)
        leadership = self._leadership = Leadership(
            client,
            lease,
            identity=platform.node(),
            address=reached,
            troubles=snapshot.troubles,
            is_fit=lambda: snapshot.complaint() is None,
        )
        leadership.observers.append(lambda: snapshot.tenancy.leases.renewed_here(lease.name))
        recorder = EventRecorder(client, "stoker-placement", is_busy=lambda: controller.is_writing)
        gates = GateKeeper(client, snapshot.waiting.seen)
        controller = PlacementController(snapshot, gates, leadership, recorder.emit)
        self._background(recorder.run(), "events of placement")
        self._background(self._lead(leadership), "leadership")
        self._placement = self._background(controller.run(), "placement")

    async def _lead(self, leadership: Leadership) -> None:
        await self._snapshot.whole()
        await leadership.run()

    async def end(self) -> None:
        """What is being written is finished before the next leader may begin, and we listen until then."""
        if self._placement is not None:
            await end(self._placement)
        if self._leadership is not None:
            await self._leadership.resign()
