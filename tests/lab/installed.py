"""A stage with a small fleet, and what tests do with it: namespaces, pods, metrics."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from lab.commandlines import ControlPlaneSettings
from lab.constants import Constants
from lab.fleets import NodeGroup
from lab.processes import Process
from lab.scene import SETUP_WALL_SECONDS, Scene, sample_profile
from lab.simulation.fleet import Fleet
from lab.stage import Stage
from lab.toolchain import Programs
from lab.workload import Workload
from model import names
from tests.builders import container, pod
from tests.cli.command import answer, until

MACHINE: Final[dict[str, Any]] = {"count": 1, "instance_type": "metal", "cpu": "64", "memory": "256Gi", "state": "warm"}
GROUPS: Final = (
    NodeGroup(name="warm", architecture="amd64", **{**MACHINE, "count": 2}),
    NodeGroup(name="no-image", architecture="amd64", images=(), **MACHINE),
    NodeGroup(name="no-kata", architecture="amd64", **{**MACHINE, "state": "without-kata"}),
    NodeGroup(name="arm", architecture="arm64", **MACHINE),
)
NODES: Final = frozenset(("warm-1", "warm-2", "no-image-1", "no-kata-1", "arm-1"))
WARM: Final = frozenset(("warm-1", "warm-2"))

GATED: Final = "kata-agents"
"""The sample profile as it is shipped: its pods are nominated."""

SCORED: Final = "scored"
"""The same without gates: its pods go through the second scheduler and the extender."""

Manifest = dict[str, Any]


@dataclass(slots=True)
class Installation:
    """Stoker, installed on a fleet of two warm amd64 nodes, one without the images, one without Kata, and one arm64."""

    stage: Stage
    fleet: Fleet
    constants: Constants
    profile: Manifest
    """`SCORED`."""

    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _namespaces: list[str] = field(default_factory=list)
    _ghostly: str | None = None

    @classmethod
    @asynccontextmanager
    async def start(cls, stage: Stage, constants: Constants) -> AsyncIterator[Installation]:
        sample = sample_profile(constants)
        profile = {**sample, "metadata": {"name": SCORED}, "spec": {**sample["spec"], "schedulingGates": []}}
        await stage.apply([sample, profile])
        async with Fleet.start(stage.client, constants, groups=GROUPS, speed=stage.speed) as fleet:
            await fleet.wait_until_ready(SETUP_WALL_SECONDS)
            yield cls(stage, fleet, constants, profile)

    async def namespace(self, profile: str | None) -> str:
        """A new namespace of that profile (None: nobody's), about which the API server asks the webhook."""
        name = f"{profile or 'free'}-{next(self._numbers)}"
        labels = {names.PROFILE_LABEL: profile} if profile else {}
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        await Scene(self.stage.client, self.constants).opt_in(Workload((manifest,), ()), opted_in=True)
        self._namespaces.append(name)
        return name

    async def delete_pods(self) -> None:
        """All that tests have created so far: those on nodes without Kata would fail for ever."""
        for name in self._namespaces:
            await self.stage.client.delete(f"/api/v1/namespaces/{name}/pods", {"gracePeriodSeconds": 0})

    async def tenant(self) -> str:
        """A new namespace whose pods the extender places."""
        return await self.namespace(SCORED)

    async def ghostly(self) -> str:
        """A namespace whose profile does not exist; always the same, since the webhook takes its time to be sure."""
        if self._ghostly is None:
            self._ghostly = await self.namespace("nobodys")
        return self._ghostly

    def manifest(self, name: str = "agent", **spec: Any) -> Manifest:
        """A pod of the demo's image, as an author writes it who knows nothing of Stoker."""
        image = self.constants.images[self.constants.demo.load.tenant.image].reference
        requests = {"requests": {"cpu": "1", "memory": "1Gi"}}
        made = pod(name, container(image=image, imagePullPolicy="Always", resources=requests), **spec)
        del made["metadata"]["namespace"], made["spec"]["schedulerName"]
        return made

    async def create(self, namespace: str, manifest: Manifest, **query: str) -> Manifest:
        """The pod as it was stored; ApiError where it was refused."""
        created: Manifest = await self.stage.client.create(f"/api/v1/namespaces/{namespace}/pods", manifest, **query)
        return created

    async def read(self, created: Manifest) -> Manifest:
        metadata = created["metadata"]
        found: Manifest = await self.stage.client.get(
            f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        )
        return found

    async def node_of(self, created: Manifest) -> str:
        """The node that the pod is bound to, as soon as it is."""

        async def bound() -> str | None:
            node: str | None = (await self.read(created))["spec"].get("nodeName")
            return node

        return await until(bound)

    async def forecast_of(self, created: Manifest) -> dict[str, Any]:
        """What Stoker told of the pod at its binding."""
        path = f"/api/v1/namespaces/{created['metadata']['namespace']}/events"
        selector = f"reason=Forecast,involvedObject.uid={created['metadata']['uid']}"

        async def told() -> dict[str, Any] | None:
            items = (await self.stage.client.get(path, fieldSelector=selector))["items"]
            if not items:
                return None
            found: dict[str, Any] = msgspec.json.decode(items[0]["metadata"]["annotations"][names.FORECAST_ANNOTATION])
            return {**found, "message": items[0]["message"]}

        return await until(told)

    async def scores(self, stored: Manifest) -> dict[str, int]:
        """What the extender answers about the pod."""
        arguments = {"Pod": stored, "Nodes": None, "NodeNames": sorted(NODES)}
        url = f"http://127.0.0.1:{self.stage.extender_port}/prioritize"
        async with aiohttp.ClientSession() as session, session.post(url, json=arguments) as response:
            assert response.status == 200, await response.text()
            return {item["Host"]: item["Score"] for item in await response.json()}

    async def webhook_metrics(self) -> Metrics:
        """Those of both replicas together."""
        return Metrics([family for process in self.stage.webhooks for family in await scrape(process)])

    async def extender_metrics(self) -> Metrics:
        return Metrics(await scrape(self.stage.extender))


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was scraped."""

    families: list[Metric]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with these labels; KeyError where there is no such family."""
        samples = [sample for family in self.families for sample in family.samples if sample.name == name]
        if not samples and not any(name.startswith(family.name) for family in self.families):
            raise KeyError(name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def scrape(process: Process) -> list[Metric]:
    """/metrics of a serving process, parsed."""
    url = f"http://{_metrics_address(process)}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return list(text_string_to_metric_families(await response.text()))


async def is_ready(process: Process) -> bool:
    return (await answer(f"http://{_metrics_address(process)}/readyz")) == (200, "ok\n")


async def is_healthy(process: Process) -> bool:
    return (await answer(f"http://{_metrics_address(process)}/healthz")) == (200, "ok\n")


def _metrics_address(process: Process) -> str:
    return process.command[process.command.index("--metrics-listen") + 1]


def kubeconfig_of(process: Process) -> str:
    return process.command[process.command.index("--kubeconfig") + 1]


@asynccontextmanager
async def installed(
    programs: Programs, constants: Constants, settings: ControlPlaneSettings | None = None
) -> AsyncIterator[Installation]:
    """A cluster with Stoker and a small fleet; certificates are looked at every second."""
    options = ("--certificate-check-seconds", "1")
    async with (
        Stage.start(programs, constants.speed, settings=settings, webhook_options=options) as stage,
        Installation.start(stage, constants) as installation,
    ):
        yield installation
