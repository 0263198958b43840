"""What becomes of pods while parts of Stoker are killed: the extender holds none up, the webhook fails closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from model.errors import ApiError
from tests.cli.command import until
from tests.lab.installed import NODES, SCORED, WARM, Installation, Metrics, scrape

pytestmark = pytest.mark.controlplane

CLIENTS = 8


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
