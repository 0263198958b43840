"""One mode's way through a story: a fleet of its own, the pods as they arrive, what befalls them, and what was seen."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Final

from lab.constants import Constants
from lab.processes import Process
from lab.scenarios.autoscaler import Autoscaler
from lab.scenarios.cast import PRIORITY_CLASS, Role
from lab.scenarios.incidents import Incident
from lab.scenarios.modes import Mode
from lab.scenarios.sights import Finding, Sight
from lab.scene import SETUP_WALL_SECONDS, Scene, sample_profile
from lab.simulation.fleet import Fleet
from lab.simulation.removal import delete_all
from lab.stage import Stage, eventually
from lab.stories import Scenarios, Story
from lab.workload import TENANT_NAMESPACE, Manifest, Workload
from model import names
from model.errors import ApiError, ConnectionFailed

COLLECTION: Final = f"/api/v1/namespaces/{TENANT_NAMESPACE}/pods"
POLL_WALL_SECONDS: Final = 0.05
RETRY_WALL_SECONDS: Final = 0.25
TRANSIENT: Final = frozenset((409, 429))
CREATES_AT_ONCE: Final = 8
"""A burst's pods are made by a controller, with few requests under way; kube-controller-manager makes 20 a second."""


class Trial:
    """Made and run once. `origin` is the fleet's moment at which the first pod arrives."""

    fleet: Fleet
    origin: float

    def __init__(
        self,
        stage: Stage,
        constants: Constants,
        scenarios: Scenarios,
        mode: Mode,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.stage = stage
        self.mode = mode
        self.complaints: list[str] = []
        self.autoscaler: Autoscaler | None = None
        self.refused_creations = 0
        self._constants = constants
        self._scenarios = scenarios
        self._progress = progress
        self._scene = Scene(stage.client, constants)
        self._roles: dict[str, Role] = {}
        self._uids: dict[str, str] = {}
        self._first_uids: dict[str, str] = {}
        self._refused_wall_seconds: defaultdict[str, float] = defaultdict(float)
        self._scene_at = 0.0
        self._creates = asyncio.Semaphore(CREATES_AT_ONCE)

    async def run(self, story: Story, roles: Sequence[Role], incident: Incident) -> Finding:
        """Through the whole story; at the end the pods are deleted, and the fleet with them."""
        self._roles = {role.name: role for role in roles}
        await self._set_up()
        speed, care = self.stage.speed, self.mode.care
        starting = Fleet.start(self.stage.client, self._constants, groups=story.fleet, speed=speed, care=care)
        async with starting as self.fleet:
            await self.fleet.wait_until_ready(SETUP_WALL_SECONDS)
            await self._scene.place_residents(self.fleet)
            await self._scene.opt_in(_namespace(), opted_in=self.mode.profile is not None)
            await incident.prepare(self)
            self._scene_at = self.fleet.clock.now()
            await self._scene.play(self.fleet)
            return await self._play(story, incident)

    @property
    def scheduler(self) -> Process:
        """The one that binds the story's pods."""
        return self.stage.control_plane.schedulers[self.mode.scheduler]

    async def sleep_until(self, seconds: float) -> None:
        """Until so many seconds after the first arrival."""
        await self.fleet.clock.sleep_until(self.origin + seconds)

    async def recreate(self, nodes: Collection[str]) -> None:
        """Pods of lost nodes come again under their names, as their controllers would have it."""
        lost = [
            pod.metadata.name
            for pod in self.fleet.pods.values()
            if pod.spec.node_name in nodes and self._uids.get(pod.metadata.name) == pod.metadata.uid
        ]
        await delete_all(self.stage.client, [f"{COLLECTION}/{name}" for name in lost])
        await asyncio.gather(*(self._create(self._roles[name]) for name in lost))

    def nominated(self) -> set[str]:
        """The nodes that pods of the story are nominated to."""
        seen = (self.fleet.sightings.get(uid) for uid in self._uids.values())
        return {sighting.nominated_node for sighting in seen if sighting and sighting.nominated_node}

    async def _set_up(self) -> None:
        profile = sample_profile(self._constants)
        profile["spec"] = {key: value for key, value in profile["spec"].items() if key != "schedulerName"}
        profile["spec"]["maxHoldSeconds"] = self._scenarios.max_hold_seconds
        profile["spec"] |= self.mode.profile or {"schedulingGates": []}
        await self.stage.apply([profile, PRIORITY_CLASS])

    async def _play(self, story: Story, incident: Incident) -> Finding:
        self.origin = self.fleet.clock.now()
        self._progress(f"{self.mode.name}: {len(self._roles)} pods arrive")
        befalling = asyncio.create_task(incident.befall(self))
        try:
            for group in story.installing:
                for node in [node.name for node in self.fleet.nodes.values() if node.group.name == group]:
                    await self.fleet.install_kata(node)
            async with asyncio.TaskGroup() as arriving:
                for role in self._roles.values():
                    arriving.create_task(self._arrive(role))
            await self._wait(lambda: befalling.done() or incident.has_happened)
            finding = self._finding()
        finally:
            await _end(incident, befalling)
        await self._delete_pods()
        return finding

    async def _arrive(self, role: Role) -> None:
        await self.sleep_until(role.arrival)
        await self._create(role)

    async def _create(self, role: Role) -> None:
        body = self.mode.pod(role.manifest)
        began = tried = 0.0
        while True:
            try:
                async with self._creates:
                    tried = time.monotonic()
                    began = began or tried
                    stored = await self.stage.client.create(COLLECTION, body)
            except (ApiError, ConnectionFailed) as error:
                passing = not isinstance(error, ApiError) or error.status >= 500 or error.status in TRANSIENT
                if not passing or tried - began > SETUP_WALL_SECONDS:
                    raise
                self.refused_creations += 1
                await asyncio.sleep(RETRY_WALL_SECONDS)
            else:
                self._uids[role.name] = stored["metadata"]["uid"]
                self._refused_wall_seconds[role.name] += tried - began
                self._first_uids.setdefault(role.name, self._uids[role.name])
                return

    async def _wait(self, has_happened: Callable[[], bool]) -> None:
        """Until all pods are ready and the incident is over, or the time is up."""
        last = max(role.arrival for role in self._roles.values())
        end, told = self.origin + last + self._scenarios.wait_seconds, -1
        while self.fleet.clock.now() < end:
            truths = [self.fleet.truth(uid) for uid in self._uids.values()]
            ready = sum(truth is not None and truth.ready_at is not None for truth in truths)
            if ready == len(self._roles) and has_happened():
                break
            if ready // 10 != told // 10:
                told = ready
                self._progress(
                    f"{self.mode.name}: {ready} pods ready after {self.fleet.clock.now() - self.origin:.0f} s"
                )
            await asyncio.sleep(POLL_WALL_SECONDS)

    def _finding(self) -> Finding:
        now = time.time()
        return Finding(
            mode=self.mode.name,
            sights=tuple(self._sight(name, now) for name in self._roles),
            waited_seconds=self.fleet.clock.now() - self.origin,
            scene_seconds=self.origin - self._scene_at,
            complaints=tuple(self.complaints),
            refused_creations=self.refused_creations,
            first_launch_unix=self.autoscaler.first_launch_unix if self.autoscaler else None,
        )

    def _sight(self, name: str, now_unix: float) -> Sight:
        uid, speed = self._uids[name], self.stage.speed
        sighting, truth = self.fleet.sightings[uid], self.fleet.truth(uid)
        first = self.fleet.sightings[self._first_uids[name]]
        seconds = truth.seconds_to_ready(speed) if truth else None
        if seconds is not None:
            seconds += (sighting.created_unix - first.created_unix) * speed
            # As in the scheduler's queue, wall seconds count as they are: programs take no less to start again.
            seconds += self._refused_wall_seconds[name]
        return Sight(
            name=name,
            node=truth.node if truth else None,
            architecture=truth.architecture if truth else None,
            seconds=seconds,
            kubelet_seconds=truth.kubelet_seconds if truth else None,
            bound_at=truth.bound_at - self.origin if truth else None,
            failed_sandboxes=truth.failed_sandboxes if truth else 0,
            created_unix=sighting.created_unix,
            gate_wall_seconds=sighting.gate_wall_seconds(now_unix),
            is_gated=sighting.gate_opened_unix is None,
            nominated_node=sighting.nominated_node,
            stranded_wall_seconds=sighting.longest_stranded_wall_seconds(now_unix),
            is_stranded=sighting.stranded_since_unix is not None,
        )

    async def _delete_pods(self) -> None:
        for path in [f"{COLLECTION}/{name}" for name in self._uids]:
            await delete_all(self.stage.client, [path])

        async def all_gone() -> bool:
            return not (await self.stage.client.get(COLLECTION))["items"]

        await eventually(all_gone, f"the pods of {TENANT_NAMESPACE} are not gone", SETUP_WALL_SECONDS)


async def _end(incident: Incident, befalling: asyncio.Task[None]) -> None:
    """Let it happen, so that what it stopped or killed runs again, and break off what is left of it."""
    while not befalling.done():
        if incident.has_happened:
            befalling.cancel()
        await asyncio.wait([befalling], timeout=POLL_WALL_SECONDS)
    if not befalling.cancelled():
        befalling.result()


def _namespace() -> Workload:
    labels = {names.PROFILE_LABEL: "kata-agents"}
    namespace: Manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": TENANT_NAMESPACE, "labels": labels},
    }
    return Workload((namespace,), ())
