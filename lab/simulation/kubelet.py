"""The kubelets of a whole fleet: pods that are bound to its nodes are started, deleted ones are finished."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from cluster.reflector import Reflector, Resource
from lab.simulation.katadeploy import KataDeploy, is_kata_deploy
from lab.simulation.nodes import SimulatedNode
from lab.simulation.pods import Pod
from lab.simulation.sightings import Sighting
from lab.simulation.starts import PodStart, created_unix
from lab.simulation.world import World
from lab.simulation.writes import persist
from model.errors import ApiError, Conflict, NotFound

logger = logging.getLogger(__name__)

PODS: Final = Resource("pods", "/api/v1/pods", Pod)

STOP_SECONDS: Final = 1.0
"""From a deletion until the containers are gone."""


class Kubelets:
    """One for all nodes of a fleet, behind one watch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sightings: dict[str, Sighting] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()
        self._reflector = Reflector(world.api, PODS, self._changed)

    @property
    def pods(self) -> Mapping[str, Pod]:
        """Every pod of the cluster as it is now, by namespace and name."""
        return self._reflector.objects

    @property
    def sightings(self) -> Mapping[str, Sighting]:
        """Of every pod that there was, by uid."""
        return self._sightings

    async def start(self) -> None:
        """Returns when the pods that exist already are known."""
        self._world.tasks.spawn(self._reflector.run(), "the pods' watch")
        await self._reflector.synced.wait()

    def _changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._gone(old.metadata.uid)
        if new is not None:
            self._seen(new)

    def _seen(self, pod: Pod) -> None:
        uid, now = pod.metadata.uid, time.time()
        sighting = self._sightings.get(uid)
        if sighting is None:
            sighting = Sighting(pod.metadata.namespace, pod.metadata.name, created_unix(pod, now))
            self._sightings[uid] = sighting
        sighting.note(pod, now)
        node = self._world.nodes.get(pod.spec.node_name)
        if node is None:
            return
        if pod.metadata.deletion_timestamp is not None:
            if uid not in self._ending:
                self._ending.add(uid)
                self._world.tasks.spawn(self._end(pod, node), f"end of {pod.metadata.name}")
        elif uid not in self._runs and pod.status.phase not in {"Succeeded", "Failed"}:
            self._runs[uid] = self._world.tasks.spawn(self._run(node, pod, sighting), f"start of {pod.metadata.name}")

    async def _run(self, node: SimulatedNode, pod: Pod, sighting: Sighting) -> None:
        if not is_kata_deploy(pod):
            start = PodStart(self._world, node, pod, sighting.created_unix)
            start.truth.gate_opened_unix = sighting.gate_opened_unix
            await start.run()
            return
        installer = self._world.installers[node.name] = KataDeploy(self._world, node, pod, sighting.created_unix)
        await installer.run()

    async def _end(self, pod: Pod, node: SimulatedNode) -> None:
        self._stop(pod.metadata.uid)
        await self._world.clock.sleep_until(self._world.clock.now() + STOP_SECONDS)
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod.metadata.uid}}
        try:
            await persist(lambda: self._world.api.delete(pod.path, options))
        except (NotFound, Conflict):
            logger.debug("pod %s on %s was gone before its kubelet ended it", pod.metadata.name, node.name)
        except ApiError as error:
            logger.warning("a simulated kubelet could not end a pod: %s", error)

    def _gone(self, uid: str) -> None:
        self._stop(uid)
        self._runs.pop(uid, None)
        self._ending.discard(uid)

    def _stop(self, uid: str) -> None:
        run = self._runs.get(uid)
        if run is not None:
            run.cancel()
        truth = self._world.truths.get(uid)
        node = self._world.nodes.get(truth.node) if truth else None
        if node is not None:
            node.starting.discard(uid)
