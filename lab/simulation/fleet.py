"""A simulated fleet on a real control plane, and what may happen to it.

async with Fleet.start(api, constants) as fleet:
    await fleet.wait_until_ready(deadline_seconds=60)
    fleet.set_scene()
    ...
    fleet.truth(uid)
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from cluster.client import ApiClient
from lab.constants import Constants
from lab.fleets import NodeGroup
from lab.simulation import objects
from lab.simulation.catalogue import Catalogue
from lab.simulation.clock import Clock
from lab.simulation.events import EventRecorder
from lab.simulation.kubelet import Kubelets
from lab.simulation.members import member, members
from lab.simulation.nodes import SimulatedNode
from lab.simulation.physics import Physics
from lab.simulation.pods import Pod
from lab.simulation.removal import delete_all, delete_pods
from lab.simulation.report import DEPLOY_LABEL, conditions, node_object
from lab.simulation.sightings import Sighting
from lab.simulation.truth import Truth
from lab.simulation.world import World
from lab.simulation.writes import Tasks, persist
from model.errors import ApiError, Conflict, ConnectionFailed, LabError
from model.names import KATA_DEPLOY, KATA_LABEL

logger = logging.getLogger(__name__)

NODES: Final = "/api/v1/nodes"
CONCURRENCY: Final = 16
POLL_WALL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Care:
    """What a careful engineer sets up on a fleet; nothing of it by default."""

    class_selects_label: bool = False
    """Whether the Kata class selects the nodes that kata-deploy labels."""

    startup_taint: str = ""
    """With which nodes register that are to get Kata, until it is there; empty for none."""


class Fleet:
    """Made by `start`, which also removes it. Seconds are model seconds unless a name says `wall`."""

    def __init__(self, api: ApiClient, constants: Constants, clock: Clock) -> None:
        self.clock = clock
        self.constants = constants
        self._api = api
        tasks = Tasks()
        self._world = World(
            api=api,
            clock=clock,
            physics=Physics(constants),
            catalogue=Catalogue(constants),
            tasks=tasks,
            events=EventRecorder(api, clock, tasks),
        )
        self._kubelets = Kubelets(self._world)
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._shared: list[str] = []
        self._startup_taint = ""

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        api: ApiClient,
        constants: Constants,
        *,
        groups: Sequence[NodeGroup] | None = None,
        speed: float | None = None,
        care: Care | None = None,
    ) -> AsyncIterator[Fleet]:
        """The fleet of `groups` (else the demo's). At the end its nodes are deleted, and the pods on them with them."""
        fleet = cls(api, constants, Clock(constants.speed if speed is None else speed))
        try:
            await fleet._create(constants.demo.fleet if groups is None else groups, care or Care())
            yield fleet
        finally:
            await fleet._remove()

    @property
    def nodes(self) -> Mapping[str, SimulatedNode]:
        """The true state of each node, by name; to be read."""
        return self._world.nodes

    @property
    def truths(self) -> Mapping[str, Truth]:
        """Of every pod that was bound to a node of the fleet, by uid."""
        return self._world.truths

    @property
    def pods(self) -> Mapping[str, Pod]:
        """Every pod of the cluster as the fleet's watch knows it, by namespace and name."""
        return self._kubelets.pods

    @property
    def sightings(self) -> Mapping[str, Sighting]:
        """What was seen of every pod before its binding, by uid."""
        return self._kubelets.sightings

    def truth(self, uid: str) -> Truth | None:
        """None where the pod was never bound here."""
        return self._world.truths.get(uid)

    async def wait_until_ready(self, deadline_seconds: float = 120) -> None:
        """Until every node takes pods and kata-deploy runs where it should; LabError after that many wall seconds."""
        late = set(self._world.nodes)
        try:
            async with asyncio.timeout(deadline_seconds):
                while True:
                    late = await self._unready()
                    if not late:
                        return
                    await asyncio.sleep(POLL_WALL_SECONDS)
        except TimeoutError as error:
            raise LabError(
                f"the simulated fleet was not ready after {deadline_seconds:g} s: {', '.join(sorted(late))}; "
                "kube-controller-manager and the scheduler default-scheduler must run"
            ) from error

    def set_scene(self) -> None:
        """Let happen what the groups' states say happened `seconds_ago`: do this just before pods are created.

        LabError where the fleet is not ready.
        """
        awaiting = {node.name for node in self._world.nodes.values() if node.awaits_scene}
        if late := awaiting - self._world.installers.keys():
            raise LabError(f"kata-deploy is not yet bound to {', '.join(sorted(late))}; wait until the fleet is ready")
        now = self.clock.now()
        for node in self._world.nodes.values():
            moment = now - node.group.seconds_ago
            if node.awaits_scene:
                self._world.installers[node.name].set_scene(moment)
            elif node.group.state == "containerd-restarted":
                self._spawn_restart(node, moment)

    def restart_containerd(self, name: str) -> None:
        """kata-deploy's container starts again, where the node has it, and containerd with it."""
        self._spawn_restart(self._node(name), self.clock.now())

    async def install_kata(self, name: str) -> None:
        """Let kata-deploy's DaemonSet select the node; it pulls, installs, restarts containerd and labels."""
        node = self._node(name)
        node.kata_wanted, node.kata_wanted_at = True, self.clock.now()
        labels = {DEPLOY_LABEL: "true", KATA_LABEL: "false"}
        await self._world.patch_node(node, {"metadata": {"labels": labels}}, manager=KATA_DEPLOY)

    async def cordon(self, name: str, *, unschedulable: bool = True) -> None:
        await self._world.patch_node(self._node(name), {"spec": {"unschedulable": unschedulable}}, manager="kubectl")

    async def delete(self, name: str) -> None:
        """The machine is gone: its Node and Lease are deleted, its pods are left to kube-controller-manager."""
        node = self._world.nodes.pop(name)
        node.puller.close()
        self._world.installers.pop(name, None)
        await delete_all(self._api, [f"{NODES}/{name}", f"{objects.LEASES}/{name}"])

    def launch(self, group: NodeGroup, name: str) -> None:
        """Let a machine `join` in the background."""
        self._world.tasks.spawn(self.join(group, name), f"boot of {name}")

    async def join(self, group: NodeGroup, name: str) -> None:
        """A fresh machine boots and joins: without images, without Kata (kata-deploy comes if the state wants it)."""
        launched, boot = self.clock.now(), self.constants.boot
        noise = self._world.physics.noise("boot", name)
        registered = launched + boot.registered_seconds[group.architecture] * noise
        await self.clock.sleep_until(registered)
        node = member(self._world, group, name, empty=True)
        node.ready, node.kata_wanted_at = False, registered
        node.startup_taint = self._taint_of(node)
        await self._register(node)
        await self.clock.sleep_until(launched + boot.ready_seconds[group.architecture] * noise)
        node.ready = True
        await self._world.patch_node(node, {"status": conditions(node, self.clock)}, "/status")

    async def _create(self, groups: Sequence[NodeGroup], care: Care) -> None:
        self._startup_taint = care.startup_taint
        runtime_class = objects.runtime_class(self.constants, selects_label=care.class_selects_label)
        await self._share(objects.RUNTIME_CLASSES, runtime_class)
        nodes = list(members(self._world, groups))
        for node in nodes:
            node.startup_taint = self._taint_of(node)
        await self._kubelets.start()
        self._world.events.start()
        await asyncio.gather(*(self._register(node) for node in nodes))
        await self._share(objects.DAEMON_SETS, objects.daemon_set(self.constants))
        self._world.tasks.spawn(self._beat(), "heartbeats")

    def _taint_of(self, node: SimulatedNode) -> str:
        return self._startup_taint if node.kata_wanted and node.installed_at is None else ""

    async def _share(self, collection: str, body: dict[str, Any]) -> None:
        """Create what fleets on one control plane have in common; the fleet that made it removes it."""
        try:
            await persist(lambda: self._api.create(collection, body))
        except Conflict:
            logger.info("%s %s is that of another fleet", body["kind"], body["metadata"]["name"])
        else:
            self._shared.append(f"{collection}/{body['metadata']['name']}")

    async def _register(self, node: SimulatedNode) -> None:
        async with self._slots:
            body = node_object(node, self.constants.report, self.clock)
            await persist(lambda: self._api.create(NODES, body, fieldManager="kubelet"))
            lease = objects.lease(node.name, self.constants.heartbeats.lease_seconds)
            with suppress(Conflict):  # a Lease outlives a Node of its name by some seconds
                await persist(lambda: self._api.create(objects.LEASES, lease))
            if node.installed_at is not None:
                since = self.clock.timestamp(node.installed_at)
                await self._world.patch_node(node, objects.labelled_by_kata_deploy(since))

    def _spawn_restart(self, node: SimulatedNode, moment: float) -> None:
        installer = self._world.installers.get(node.name)
        if installer is not None:
            self._world.tasks.spawn(installer.restart(moment), f"restart of containerd on {node.name}")
        else:
            node.restart_containerd(moment, self._world.physics)

    def _node(self, name: str) -> SimulatedNode:
        try:
            return self._world.nodes[name]
        except KeyError as error:
            raise LabError(f"the fleet has no node {name}; it has {', '.join(self._world.nodes)}") from error

    async def _unready(self) -> set[str]:
        nodes = await self._api.get(NODES)
        tainted = {
            item["metadata"]["name"]
            for item in nodes["items"]
            if any(taint["key"] == "node.kubernetes.io/not-ready" for taint in item["spec"].get("taints", ()))
        }
        waiting = {
            node.name for node in self._world.nodes.values() if node.kata_wanted and not self._kata_deploy_stands(node)
        }
        return (tainted & self._world.nodes.keys()) | waiting

    def _kata_deploy_stands(self, node: SimulatedNode) -> bool:
        installer = self._world.installers.get(node.name)
        return installer is not None and (installer.ready or node.group.state in {"kata-installing", "kata-installed"})

    async def _beat(self) -> None:
        """Renew every node's Lease; Leases are what kube-controller-manager looks at first."""
        while True:
            await asyncio.sleep(self.constants.heartbeats.interval_wall_seconds)
            await asyncio.gather(*(self._renew(name) for name in list(self._world.nodes)))

    async def _renew(self, name: str) -> None:
        async with self._slots:
            try:
                await self._api.patch(f"{objects.LEASES}/{name}", {"spec": {"renewTime": objects.micro_time()}})
            except (ApiError, ConnectionFailed) as error:
                logger.warning("a simulated heartbeat failed: %s", error)

    async def _remove(self) -> None:
        """Stop everything and delete what was created; what cannot be deleted is logged."""
        await self._world.tasks.close()
        for node in self._world.nodes.values():
            node.puller.close()
        paths = [f"{collection}/{name}" for name in self._world.nodes for collection in (NODES, objects.LEASES)]
        try:
            await delete_all(self._api, self._shared)
            await delete_pods(self._api, self._world.nodes.keys())
            await delete_all(self._api, paths)
        except (ApiError, ConnectionFailed) as error:
            logger.warning("the simulated fleet was not removed whole: %s", error)
