"""The replica that leads is stopped (SIGSTOP) for a minute, and goes on afterwards as if nothing had been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Final

import aiohttp
import msgspec

from benchmarks.crowd import create_nodes
from benchmarks.documents import review
from benchmarks.faults.findings import Finding
from benchmarks.faults.place import PROFILE, AdmissionPlace, trouble
from benchmarks.faults.replicas import Replica, Replicas
from benchmarks.faults.verdicts import Outcome, Trouble, judge_outage
from benchmarks.load import NUMBER
from cluster import wire
from cluster.leases import LEASE_SECONDS, LeaseName
from cluster.reflector import Reflector, Resource
from lab.commandlines import LOOPBACK
from lab.stage import eventually
from lab.workload import TENANT_NAMESPACE, tenant_pod
from model import names
from model.errors import StokerError
from model.names import WARM_NODE_GATE

NODES: Final = 20
GATED_EVERY_SECONDS: Final = 0.5
SETTLE_SECONDS: Final = 6.0
"""After the replica goes on: the API server's time-out of 5 s for what it was asked before, and a moment."""

LEADING_SECONDS: Final = 30.0
FRESH_SECONDS: Final = 60.0
STOOD_STILL: Final = "this process did not run"
GATED_PODS: Final = f"/api/v1/namespaces/{TENANT_NAMESPACE}/pods"


@dataclass(frozen=True, slots=True)
class Extent:
    per_second: float
    seconds: float


LONG: Final = Extent(20.0, 60.0)
SHORT: Final = Extent(10.0, 5.0)


@dataclass(slots=True)
class Nominations:
    """Every node that each gated pod was seen to be nominated to, in their order."""

    by_uid: dict[str, list[str]] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    """Those that wait behind no gate any more."""

    def see(self, old: wire.Pod | None, new: wire.Pod | None) -> None:
        del old
        if new is None:
            return
        seen, node = self.by_uid.setdefault(new.metadata.uid, []), new.status.nominated_node_name
        if node and (not seen or seen[-1] != node):
            seen.append(node)
        if all(gate.name != WARM_NODE_GATE for gate in new.spec.scheduling_gates):
            self.open.add(new.metadata.uid)


@dataclass(slots=True)
class Asked:
    """What the webhook made of pods that wait behind no gate of their own, under a profile with ours."""

    pods: int = 0
    without_gate: int = 0

    def see(self, pod: dict[str, Any]) -> None:
        self.pods += 1
        self.without_gate += all(gate["name"] != WARM_NODE_GATE for gate in pod["spec"].get("schedulingGates", ()))


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is known of the replica that was stopped, of those it competes with, and of the gated pods."""

    seconds: float
    holders: Sequence[str]
    """Of the Lease: before the stop, at its end, and when all was well again."""

    twice: Sequence[str]
    """Pods that were nominated to more than one node."""

    held: Sequence[str]
    """Pods that still wait behind the gate."""

    told: bool


def complaints_of(after: Aftermath) -> list[str]:
    """A leader that is away for longer than its Lease lasts is another one's follower when it comes back."""
    found = []
    before, at_end, last = after.holders
    if after.seconds > LEASE_SECONDS and at_end == before:
        found.append(f"nobody took over from {before}, who did not run for {after.seconds:.0f} s")
    if at_end != before and last == before:
        found.append(f"{before} leads again, without the end of {at_end}")
    if after.twice:
        found.append(f"{len(after.twice)} pods were nominated twice, {after.twice[0]} among them")
    if after.held:
        found.append(f"{len(after.held)} pods still wait behind the gate, {after.held[0]} among them")
    if not after.told:
        found.append("the log of the replica does not tell that it did not run")
    return found


async def suspended(place: AdmissionPlace) -> Finding:
    extent, kept = place.setting.extent(LONG, SHORT), list[Trouble]()
    await create_nodes(place.installation.client, place.setting.constants, NODES)
    async with (
        place.asking(2) as (replicas, namespace),
        _placing(place) as nominations,
        place.streaming(namespace, extent.per_second) as stream,
    ):
        leader = await _leader(place, replicas)
        before = await _holder(place)
        async with (
            _asking(place) as asked,
            trouble("suspended", kept, place.setting.tell),
            replicas.suspended(leader),
        ):
            await asyncio.sleep(extent.seconds / 2)
            newer = f"{namespace}-newer"
            await place.installation.namespace(newer, {names.PROFILE_LABEL: PROFILE})
            await asyncio.sleep(extent.seconds / 2)
            at_end = await _holder(place)
        began_at = monotonic()
        await replicas.rejoin(leader)
        await eventually(lambda: _knows(leader, newer), "its copy is not fresh again", FRESH_SECONDS)
        recovered = monotonic() - began_at
        await asyncio.sleep(SETTLE_SECONDS)
        last = await _holder(place)
        told = STOOD_STILL in leader.process.log.read_text(encoding="utf-8")
    after = _aftermath(nominations, extent.seconds, (before, at_end, last), told=told)
    outcome: Outcome = await place.outcome(namespace, stream, kept)
    finding = judge_outage("suspended", outcome, SETTLE_SECONDS, complaints_of(after))
    details = {
        **finding.details,
        "gated_pods": len(nominations.by_uid),
        "took_over": at_end != before,
        "asked_for_gate": asked.pods,
        "let_in_without_gate": asked.without_gate,
    }
    return replace(finding, recovered_seconds=recovered, details=details)


def _aftermath(seen: Nominations, seconds: float, holders: Sequence[str], *, told: bool) -> Aftermath:
    twice = [uid for uid, nodes in seen.by_uid.items() if len(nodes) > 1]
    held = [uid for uid in seen.by_uid if uid not in seen.open]
    return Aftermath(seconds, holders, twice, held, told)


@asynccontextmanager
async def _placing(place: AdmissionPlace) -> AsyncIterator[Nominations]:
    """Pods behind our gate come all the time while the block runs; at its end nobody waits, or they had their time."""
    seen, client = Nominations(), place.installation.client
    await place.client.patch(f"/apis/{names.API_VERSION}/tenantprofiles/kata-agents", {"spec": {"maxHoldSeconds": 600}})
    following = Reflector(client, Resource("gated", GATED_PODS, wire.Pod), seen.see)
    tasks = [asyncio.create_task(following.run()), asyncio.create_task(_create_gated(place))]
    try:
        yield seen
        tasks[1].cancel()

        async def all_open() -> bool:
            return len(seen.open) == len(seen.by_uid)

        await eventually(all_open, "pods wait behind the gate", FRESH_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _asking(place: AdmissionPlace) -> AsyncIterator[Asked]:
    """While the block runs, pods are created that nobody stores, to see whether they get the gate."""
    seen = Asked()

    async def ask() -> None:
        pod = tenant_pod("asked", place.setting.constants)
        while True:
            with suppress(StokerError):  # a refusal is counted where pods are stored
                seen.see(await place.client.create(GATED_PODS, pod, dryRun="All"))
            await asyncio.sleep(GATED_EVERY_SECONDS)

    asking = asyncio.create_task(ask())
    try:
        yield seen
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _create_gated(place: AdmissionPlace) -> None:
    number = 0
    while True:
        pod: dict[str, Any] = tenant_pod(f"gated-{number:04}", place.setting.constants)
        pod["spec"]["schedulingGates"] = [{"name": WARM_NODE_GATE}]
        await place.send_until_created(TENANT_NAMESPACE, pod)
        number += 1
        await asyncio.sleep(GATED_EVERY_SECONDS)


async def _holder(place: AdmissionPlace) -> str:
    lease = await place.client.get(LeaseName(names.NAMESPACE, names.CONTROLLERS_LEASE).path)
    return str(lease["spec"].get("holderIdentity"))


async def _leader(place: AdmissionPlace, replicas: Replicas) -> Replica:
    """The replica whose log tells of the identity in the Lease."""
    found: list[Replica] = []

    async def known() -> bool:
        holder = await _holder(place)
        found[:] = [item for item in replicas.running if holder in item.process.log.read_text(encoding="utf-8")]
        return bool(holder) and bool(found)

    await eventually(known, "no replica leads", LEADING_SECONDS)
    return found[0]


async def _knows(replica: Replica, namespace: str) -> bool:
    """Whether this very replica mutates a pod of the namespace, which came while it did not run."""
    body: dict[str, Any] = msgspec.json.decode(review().replace(NUMBER.encode(), b"1"))
    body["request"]["namespace"] = body["request"]["object"]["metadata"]["namespace"] = namespace
    url = f"https://{LOOPBACK}:{replica.port}/mutate"
    async with aiohttp.ClientSession() as session, session.post(url, json=body, ssl=False) as response:
        answer = await response.json()
        return response.status == 200 and bool(answer["response"].get("patch"))
