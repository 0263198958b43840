"""What every part of the simulation shares."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster.client import ApiClient
from lab.simulation.catalogue import Catalogue
from lab.simulation.clock import Clock
from lab.simulation.events import EventRecorder
from lab.simulation.nodes import SimulatedNode
from lab.simulation.physics import Physics
from lab.simulation.report import contents
from lab.simulation.truth import Truth
from lab.simulation.writes import STATUSES_AT_ONCE, Tasks, persist
from model.errors import ApiError, Conflict

if TYPE_CHECKING:
    from lab.simulation.katadeploy import KataDeploy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class World:
    """The machinery and the state of one fleet."""

    api: ApiClient
    clock: Clock
    physics: Physics
    catalogue: Catalogue
    tasks: Tasks
    events: EventRecorder
    status_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(STATUSES_AT_ONCE))
    nodes: dict[str, SimulatedNode] = field(default_factory=dict)
    truths: dict[str, Truth] = field(default_factory=dict)
    """By the pod's uid."""

    installers: dict[str, KataDeploy] = field(default_factory=dict)
    """kata-deploy's pods that were bound, by node."""

    handlers: dict[str, str] = field(default_factory=dict)
    """Of the RuntimeClasses seen so far; a class's handler never changes."""

    def report_at(self, node: SimulatedNode, moment: float) -> None:
        """Let the node's kubelet report its images and handlers once that moment has come."""
        self.tasks.spawn(self._report(node, moment), f"report of {node.name}")

    async def _report(self, node: SimulatedNode, moment: float) -> None:
        await self.clock.sleep_until(moment)
        now = max(moment, self.clock.now())
        await self.patch_node(node, {"status": contents(node, self.physics.constants.report, now)}, "/status")

    async def patch_node(
        self, node: SimulatedNode, patch: dict[str, object], subresource: str = "", manager: str = "kubelet"
    ) -> None:
        """A merge patch of the Node; a refusal (the node was deleted, say) is logged and no more."""
        path = f"/api/v1/nodes/{node.name}{subresource}"
        try:
            await persist(lambda: self.api.patch(path, patch, fieldManager=manager))
        except ApiError as error:
            logger.warning("a simulated node could not be written: %s", error)

    async def lift_taint(self, node: SimulatedNode, key: str) -> None:
        """As kata-deploy lifts startup taints; taints have no merge key, so the write depends on what was read."""
        path = f"/api/v1/nodes/{node.name}"
        while True:
            try:
                found = await persist(lambda: self.api.get(path))
                taints = [taint for taint in found["spec"].get("taints", ()) if taint["key"] != key]
                version = {"resourceVersion": found["metadata"]["resourceVersion"]}
                patch = {"metadata": version, "spec": {"taints": taints}}
                await persist(lambda: self.api.patch(path, patch))  # noqa: B023 - awaited before the next round
            except Conflict:
                continue
            except ApiError as error:
                logger.warning("a startup taint could not be lifted: %s", error)
            return
