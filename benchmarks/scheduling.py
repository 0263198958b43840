"""The bench `scheduler`: pods bound per second by a kube-scheduler that asks an extender, Stoker's or the one in Go.

Two kube-schedulers differ in the extender's address alone. Each has two profiles: default sampling, which looks at a
tenth of 5,000 nodes, and every node. The pods wait behind a gate that a client opens, as in the bench `placement`. The
first burst of each warms up all that takes part, and is not counted.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import yaml

from benchmarks import floors
from benchmarks.bursts import Burst, Call
from benchmarks.crowd import create_nodes
from benchmarks.installation import ASKER, Installation
from benchmarks.load import in_turn
from benchmarks.parties import Party, go_extender, stoker_extender
from benchmarks.report import Bench, Comparison, middle
from benchmarks.setting import Setting
from cluster.access import load_access
from cluster.client import ApiClient
from lab.stage import eventually
from lab.toolchain import find_or_build
from lab.workload import TENANT_NAMESPACE
from manifests.loader import load

PODS: Final = {"sample": 600, "every_node": 100}
"""At a hundred and at twenty pods a second, some seconds each."""

SETTLE_SECONDS: Final = 2.0
TOLD_SECONDS: Final = 60.0
EVENTS: Final = f"/api/v1/namespaces/{TENANT_NAMESPACE}/events"
SIDES: Final = ("ours", "theirs")
GATE: Final = "bench.stoker.dev/start"


async def scheduler(setting: Setting) -> Bench:
    async with AsyncExitStack() as stack:
        setting.tell(f"starting a control plane with {setting.nodes} nodes and two schedulers")
        installation = await stack.enter_async_context(Installation.start(find_or_build(), setting.constants))
        await create_nodes(installation.client, setting.constants, setting.nodes)
        kubeconfig = await installation.kubeconfig("stoker")
        ours = await stack.enter_async_context(stoker_extender(kubeconfig, setting.directory))
        theirs = await stack.enter_async_context(go_extender(setting.opponents.extender, setting.directory))
        found: dict[str, list[float]] = {}
        for side, party in zip(SIDES, (ours, theirs), strict=True):
            await installation.control_plane.start_scheduler(side, _configuration(side, party))
        for side in SIDES:
            await _Bursts(setting, installation, "sample").run(side)
        for sampling in PODS:
            bursts = _Bursts(setting, installation, sampling)
            found |= await in_turn({f"{side}_{sampling}": partial(bursts.run, side) for side in SIDES}, setting.rounds)
    return judge(found)


def judge(found: dict[str, list[float]]) -> Bench:
    """`found` has the pods per second of every round by side and sampling."""
    floor = floors.SCHEDULER_PODS_PER_SECOND
    every, sample = (
        Comparison(middle(found[f"ours_{name}"]), middle(found[f"theirs_{name}"]), floor)
        for name in ("every_node", "sample")
    )
    rows = {name: [round(item, 1) for item in items] for name, items in found.items()}
    return Bench("scheduler", sample, {"every_node": every}, details={"unit": "pods bound per second", "rounds": rows})


@dataclass(frozen=True, slots=True)
class _Bursts:
    setting: Setting
    installation: Installation
    sampling: str

    async def run(self, side: str) -> float:
        """Pods per second, from the first gate opened to the last binding seen.

        Stoker's events about them come when the scheduler asks no more. The other side's round begins after those.
        """
        await asyncio.sleep(SETTLE_SECONDS)
        client, count, told = self.installation.client, PODS[self.sampling], await self._told()
        call = Call(GATE, _profile(side, self.sampling))
        kubeconfig = await self.installation.kubeconfig(ASKER)
        async with (
            Burst.of(client, self.setting.constants, count, call) as burst,
            ApiClient(await load_access(kubeconfig)) as opener,
        ):
            await self.installation.collect_garbage()
            _, (bindings, seconds) = await asyncio.gather(burst.open_gates(opener), burst.all_bound())
            if side == "ours":
                await eventually(lambda: self._have_been_told(told + count), "events are missing", TOLD_SECONDS)
        self.setting.tell(f"{call.scheduler}: {len(bindings) / seconds:.1f} pods/s")
        return len(bindings) / seconds

    async def _have_been_told(self, count: int) -> bool:
        return await self._told() >= count

    async def _told(self) -> int:
        events = await self.installation.client.get(EVENTS, fieldSelector="reason=Forecast")
        return len(events["items"])


def _profile(side: str, sampling: str) -> str:
    return f"{side}-{sampling}".replace("_", "-")


def _configuration(side: str, party: Party) -> dict[str, Any]:
    """The shipped extender, at another address and with patience; no Lease, since each scheduler is one of its kind."""
    shipped = next(item for item in load("scheduler") if item["kind"] == "ConfigMap")
    extenders = yaml.safe_load(shipped["data"]["scheduler.yaml"])["extenders"]
    for extender in extenders:
        extender |= {"urlPrefix": party.url, "httpTimeout": "5s"}
    every = {"schedulerName": _profile(side, "every_node"), "percentageOfNodesToScore": 100}
    return {"profiles": [{"schedulerName": _profile(side, "sample")}, every], "extenders": extenders}
