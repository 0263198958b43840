"""What becomes of pods while parts of Stoker are killed: the extender holds none up, the webhook fails closed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from cluster.holders import Holder
from cluster.leases import LeaseName
from lab.processes import Process
from model import names
from model.errors import ApiError
from tests.cli.command import until
from tests.lab.installed import GATED, NODES, SCORED, WARM, Installation, Metrics, scrape

pytestmark = pytest.mark.controlplane

CLIENTS = 8
LEASE = LeaseName(names.NAMESPACE, names.CONTROLLERS_LEASE)
AN_HOUR = 3_600


@pytest_asyncio.fixture(loop_scope="session")
async def mended(installation: Installation) -> AsyncIterator[Installation]:
    """The installation, whole again and without pods after the test."""
    yield installation
    stage = installation.stage
    for process in (*stage.webhooks, stage.extender):
        if not process.running:
            await process.start()
    await installation.delete_pods()


async def test_killing_the_extender_in_a_burst_leaves_no_pod_pending(mended: Installation) -> None:
    namespace = await mended.tenant()

    async def create(numbers: range) -> list[dict[str, Any]]:
        return [await mended.create(namespace, mended.manifest(f"agent-{number}")) for number in numbers]

    first = await create(range(10))
    burst = asyncio.create_task(create(range(10, 40)))
    await mended.stage.extender.kill()
    pods = [*first, *await burst]
    assert {await mended.node_of(pod) for pod in pods} <= NODES


async def test_after_its_restart_the_extenders_scores_are_forecasts_again(mended: Installation) -> None:
    namespace, extender = await mended.tenant(), mended.stage.extender
    await extender.kill()
    await extender.start()
    created = await mended.create(namespace, mended.manifest())
    assert await mended.node_of(created) in WARM
    await mended.forecast_of(created)
    metrics = Metrics(await scrape(extender))
    assert metrics.value("stoker_extender_answers_total", verb="prioritize", basis="forecast") >= 1


async def test_without_any_webhook_tenants_pods_are_refused_and_others_go_on(mended: Installation) -> None:
    tenant, free = await mended.tenant(), await mended.namespace(None)
    await asyncio.gather(*(process.kill() for process in mended.stage.webhooks))
    with pytest.raises(ApiError, match=r'failed calling webhook "pods\.stoker\.dev"'):
        await mended.create(tenant, mended.manifest())
    created = await mended.create(free, mended.manifest())
    assert await mended.node_of(created) in NODES


async def test_restarted_webhooks_admit_again(mended: Installation) -> None:
    tenant, webhooks = await mended.tenant(), mended.stage.webhooks
    await asyncio.gather(*(process.kill() for process in webhooks))
    await asyncio.gather(*(process.start() for process in webhooks))
    created = await mended.create(tenant, mended.manifest())
    assert created["metadata"]["annotations"] == {"stoker.dev/profile": SCORED}
    assert created["spec"]["runtimeClassName"] == mended.constants.kata.runtime_class

    async def schedules_again() -> bool | None:
        """A new replica names a scheduler once it has seen its Lease renewed."""
        probe = await mended.create(tenant, mended.manifest("probe"), dryRun="All")
        return probe["spec"]["schedulerName"] == "stoker-scheduler" or None

    assert await until(schedules_again)


async def test_killing_one_webhook_of_two_loses_at_most_what_was_in_flight(mended: Installation) -> None:
    tenant, failures, answered = await mended.tenant(), list[str](), 0
    enough, over = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        nonlocal answered
        while not over.is_set():
            try:
                await mended.create(tenant, mended.manifest(), dryRun="All")
            except ApiError as error:
                failures.append(str(error))
            answered += 1
            if answered >= 100:
                enough.set()

    clients = [asyncio.create_task(ask()) for _ in range(CLIENTS)]
    await enough.wait()
    await mended.stage.webhooks[0].kill()
    enough.clear()
    answered = 0
    await enough.wait()
    over.set()
    await asyncio.gather(*clients)
    assert len(failures) <= CLIENTS
    assert all("pods.stoker.dev" in failure for failure in failures)


def metrics_address(process: Process) -> str:
    return process.command[process.command.index("--metrics-listen") + 1]


class Rule:
    """Who leads, by the Lease."""

    def __init__(self, installation: Installation) -> None:
        self.stage = installation.stage

    async def leader(self) -> tuple[Process, str] | None:
        """The process that holds the Lease, and its identity."""
        lease = await self.stage.client.get(LEASE.path)
        holder = Holder.of(lease)
        found = [process for process in self.stage.webhooks if metrics_address(process) == holder.address]
        return (found[0], holder.identity) if found else None

    async def established(self) -> tuple[Process, str]:
        """The leader, after as many renewals that whoever else runs has looked for its process meanwhile."""
        for _ in range(4):
            before = await self._renewal()

            async def next_one(before: str = before) -> str | None:
                renewal = await self._renewal()
                return renewal if renewal != before else None

            await until(next_one)
        return await until(self.leader)

    async def _renewal(self) -> str:
        lease = await self.stage.client.get(LEASE.path)
        return str(lease["spec"]["renewTime"])

    async def successor(self, identity: str) -> Process:
        async def another() -> Process | None:
            found = await self.leader()
            return found[0] if found and found[1] not in ("", identity) else None

        return await until(another)

    async def kill_for_an_hour(self, leader: Process, *others: Process) -> None:
        """What it leaves is a Lease of an hour: nobody takes it because it has run out."""
        leader.signal(signal.SIGSTOP)
        await asyncio.gather(*(other.kill() for other in others))
        await self.stage.client.patch(LEASE.path, {"spec": {"leaseDurationSeconds": AN_HOUR}})
        await leader.kill()


async def test_another_replica_leads_as_soon_as_the_leaders_process_is_gone(mended: Installation) -> None:
    rule = Rule(mended)
    leader, identity = await rule.established()
    (standby,) = (process for process in mended.stage.webhooks if process is not leader)
    await rule.kill_for_an_hour(leader)
    assert await rule.successor(identity) is standby
    created = await mended.create(await mended.namespace(GATED), mended.manifest())
    assert await mended.node_of(created) in WARM


async def test_a_leader_that_is_started_again_leads_at_once(mended: Installation) -> None:
    rule = Rule(mended)
    leader, identity = await rule.established()
    others = [process for process in mended.stage.webhooks if process is not leader]
    await rule.kill_for_an_hour(leader, *others)
    await leader.start()
    assert await rule.successor(identity) is leader


async def test_the_first_pod_that_restarted_webhooks_admit_gets_its_gate(mended: Installation) -> None:
    tenant, webhooks = await mended.namespace(GATED), mended.stage.webhooks
    await asyncio.gather(*(process.kill() for process in webhooks))
    starting = asyncio.gather(*(process.start() for process in webhooks))

    async def admitted() -> dict[str, Any] | None:
        try:
            return await mended.create(tenant, mended.manifest(), dryRun="All")
        except ApiError:
            return None

    pod = await until(admitted)
    await starting
    assert pod["spec"]["schedulingGates"] == [{"name": names.WARM_NODE_GATE}]
