"""The demonstration: the same pods twice on equal fleets, placed by plain kube-scheduler, then with Stoker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lab.comparison import mutations
from lab.constants import Constants
from lab.outcomes import PLAIN, STOKER, Outcome
from lab.scene import SETUP_WALL_SECONDS, Scene, sample_profile
from lab.simulation.fleet import Fleet
from lab.simulation.truth import Truth
from lab.stage import Stage, eventually
from lab.workload import Manifest, Workload
from model import names
from model.errors import ApiError, NotFound

WAIT_SECONDS: Final = 400.0
"""Modelled seconds after the last creation in which pods may become ready; cold starts take up to 360 (first seed)."""

BOUND_SECONDS: Final = 100.0
"""Modelled seconds after the last creation in which containerd goes on restarting for pods that find no node."""

POLL_WALL_SECONDS: Final = 0.1
CONCURRENCY: Final = 8

Forecasts = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """One mode's outcomes, in the order of the workload's pods, and how many modelled seconds were waited."""

    mode: str
    outcomes: list[Outcome]
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class _Creation:
    """A pod as the API server stored it, or why it did not."""

    manifest: Manifest
    stored: Manifest | None
    refused: str | None = None

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"]["namespace"])

    @property
    def uid(self) -> str:
        return str(self.stored["metadata"]["uid"]) if self.stored else ""

    @property
    def name(self) -> str:
        metadata = (self.stored or self.manifest)["metadata"]
        return str(metadata.get("name") or metadata["generateName"])


class Demo:
    """Runs the modes one after the other on one stage; each meets a fleet of its own, equal to the others'."""

    def __init__(
        self,
        stage: Stage,
        constants: Constants,
        workload: Workload,
        progress: Callable[[str], None] = lambda _: None,
        *,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._wait_seconds = wait_seconds
        self._stage = stage
        self._client = stage.client
        self._constants = constants
        self._workload = workload
        self._progress = progress
        self._scene = Scene(stage.client, constants)

    async def run(self) -> list[Run]:
        await self._stage.apply([sample_profile(self._constants, gated=False)])
        plain, plain_run = await self._run(PLAIN, None)
        _, stoker_run = await self._run(STOKER, plain)
        return [plain_run, stoker_run]

    async def _run(self, mode: str, plain: Sequence[_Creation] | None) -> tuple[list[_Creation], Run]:
        self._progress(f"{mode}: simulating the fleet")
        async with Fleet.start(self._client, self._constants, speed=self._stage.speed) as fleet:
            await fleet.wait_until_ready(SETUP_WALL_SECONDS)
            await self._scene.place_residents(fleet)
            await self._scene.opt_in(self._workload, opted_in=mode == STOKER)
            await self._scene.play(fleet)
            self._progress(f"{mode}: creating {len(self._workload.pods)} pods")
            created, waited = await self._burst(mode, fleet)
            forecasts = await self._forecasts() if mode == STOKER else {}
            outcomes = [
                self._outcome(mode, item, reference, fleet.truth(item.uid), forecasts)
                for item, reference in zip(created, plain or created, strict=True)
            ]
            await self._delete_pods(created)
        return created, Run(mode, outcomes, waited)

    async def _burst(self, mode: str, fleet: Fleet) -> tuple[list[_Creation], float]:
        """Create the pods while containerd restarts where it does, and wait for them."""
        restarts = asyncio.create_task(self._scene.keep_restarting(fleet))
        try:
            created = await self._create_pods()
            await self._all_bound(fleet, created)
        finally:
            restarts.cancel()
        return created, await self._wait(mode, fleet, created)

    async def _all_bound(self, fleet: Fleet, created: Sequence[_Creation]) -> None:
        """Until every pod has its node, or the wait for those that find none has lasted long enough."""
        uids, began = [item.uid for item in created if item.stored], fleet.clock.now()
        while any(fleet.truth(uid) is None for uid in uids):
            if fleet.clock.now() - began > BOUND_SECONDS:
                return
            await asyncio.sleep(POLL_WALL_SECONDS)

    async def _create_pods(self) -> list[_Creation]:
        """All at once, as a burst comes; what is refused is part of the outcome."""
        slots = asyncio.Semaphore(CONCURRENCY)

        async def create(pod: Manifest) -> _Creation:
            async with slots:
                try:
                    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
                    return _Creation(pod, await self._client.create(path, pod))
                except ApiError as error:
                    return _Creation(pod, None, str(error))

        return list(await asyncio.gather(*map(create, self._workload.pods)))

    async def _wait(self, mode: str, fleet: Fleet, created: Sequence[_Creation]) -> float:
        """Until every pod is ready or the wait is over; the modelled seconds that it took."""
        uids = [item.uid for item in created if item.stored]
        began, told = fleet.clock.now(), -1
        while True:
            waited = fleet.clock.now() - began
            truths = [truth for uid in uids if (truth := fleet.truth(uid))]
            ready = sum(truth.ready_at is not None for truth in truths)
            if ready != told:
                self._progress(f"{mode}: {ready} of {len(uids)} pods ready after {waited:.0f} s")
                told = ready
            if ready == len(uids) or waited > self._wait_seconds:
                return waited
            await asyncio.sleep(POLL_WALL_SECONDS)

    async def _forecasts(self) -> Forecasts:
        """What Stoker told of each pod, by uid: on the pod that it nominated, else on the event at its binding."""
        found: Forecasts = {}
        for namespace in self._workload.tenant_namespaces:
            events = await self._client.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector="reason=Forecast")
            pods = await self._client.get(f"/api/v1/namespaces/{namespace}/pods")
            told = [(item["involvedObject"]["uid"], item) for item in events["items"]]
            told += [(item["metadata"]["uid"], item) for item in pods["items"]]
            for uid, item in told:
                if text := item["metadata"].get("annotations", {}).get(names.FORECAST_ANNOTATION):
                    forecast = msgspec.json.decode(text)
                    found[uid] = {"seconds": forecast["seconds"], "terms": forecast["terms"]}
        return found

    def _outcome(
        self, mode: str, item: _Creation, plain: _Creation, truth: Truth | None, forecasts: Forecasts
    ) -> Outcome:
        changes = mutations(plain.stored, item.stored) if plain.stored and item.stored else []
        facts: dict[str, Any] = {}
        if truth is not None:
            facts = {
                "node": truth.node,
                "architecture": truth.architecture,
                "warm": truth.warm_at_binding,
                "cold_reasons": truth.cold_reasons,
                "ready_seconds": truth.seconds_to_ready(self._stage.speed),
                "failed_sandboxes": truth.failed_sandboxes,
            }
        return Outcome(
            mode=mode,
            namespace=item.namespace,
            name=item.name,
            tenant=item.namespace in self._workload.tenant_namespaces,
            mutations=tuple(changes),
            forecast=forecasts.get(item.uid),
            refused=item.refused,
            **facts,
        )

    async def _delete_pods(self, created: Sequence[_Creation]) -> None:
        paths = [f"/api/v1/namespaces/{item.namespace}/pods/{item.name}" for item in created if item.stored]

        async def delete(path: str) -> None:
            try:
                await self._client.delete(path, {"gracePeriodSeconds": 0})
            except NotFound:
                self._progress(f"{path} was gone already")

        await asyncio.gather(*map(delete, paths))

        async def all_gone() -> bool:
            pods = await self._client.get("/api/v1/pods")
            there = {pod["metadata"]["uid"] for pod in pods["items"]}
            return there.isdisjoint(item.uid for item in created)

        await eventually(all_gone, "the pods of the demonstration are not gone", SETUP_WALL_SECONDS)
