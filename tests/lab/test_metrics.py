"""/metrics of the serving processes, as Prometheus would read them: everything that is promised is there, and moves."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from model.errors import ApiError
from model.forecast import TERM_NAMES
from tests.lab.installed import NODES, Installation, Metrics, is_healthy, is_ready, scrape

pytestmark = pytest.mark.controlplane

Series = tuple[str, dict[str, str]]

WEBHOOK_COUNTS: list[Series] = [
    ("stoker_http_requests_total", {"listener": "webhook", "path": "/mutate", "code": "200"}),
    ("stoker_http_request_seconds_count", {"listener": "webhook", "path": "/mutate", "code": "200"}),
    ("stoker_http_request_seconds_sum", {"listener": "webhook"}),
    ("stoker_webhook_reviews_total", {"outcome": "mutated"}),
    ("stoker_webhook_reviews_total", {"outcome": "refused"}),
    ("stoker_webhook_patch_operations_total", {"kind": "scheduler-name"}),
    ("stoker_webhook_patch_operations_total", {"kind": "annotation"}),
    ("stoker_webhook_refusals_total", {"reason": "unknown_profile"}),
    ("stoker_snapshot_changes_total", {"resource": "namespaces"}),
]
EXTENDER_COUNTS: list[Series] = [
    ("stoker_http_requests_total", {"listener": "extender", "path": "/filter", "code": "200"}),
    ("stoker_http_requests_total", {"listener": "extender", "path": "/prioritize", "code": "200"}),
    ("stoker_http_request_seconds_count", {"listener": "extender", "path": "/prioritize"}),
    ("stoker_extender_answers_total", {"verb": "prioritize", "basis": "forecast"}),
    ("stoker_expected_starts_total", {"outcome": "seen bound"}),
    ("stoker_snapshot_changes_total", {"resource": "pods"}),
    ("stoker_events_emitted_total", {"outcome": "written"}),
    *(("stoker_forecast_seconds_count", {"term": term}) for term in (*TERM_NAMES, "total")),
]


async def one_of_each(installation: Installation) -> None:
    """A pod that is admitted, placed and told of, and one that is refused."""
    created = await installation.create(await installation.tenant(), installation.manifest())
    await installation.forecast_of(created)
    with suppress(ApiError):
        await installation.create(await installation.ghostly(), installation.manifest())


def values(metrics: Metrics, series: list[Series]) -> dict[str, float]:
    return {f"{name} {labels}": metrics.value(name, **labels) for name, labels in series}


async def test_every_count_of_the_webhook_and_the_extender_moves_with_a_pod(installation: Installation) -> None:
    async def counts() -> dict[str, float]:
        webhook, extender = await installation.webhook_metrics(), await installation.extender_metrics()
        return values(webhook, WEBHOOK_COUNTS) | values(extender, EXTENDER_COUNTS)

    before = await counts()
    await one_of_each(installation)
    after = await counts()
    assert [name for name in before if after[name] <= before[name]] == []


async def test_the_snapshots_size_is_told(installation: Installation) -> None:
    metrics = await installation.extender_metrics()
    nodes = await installation.stage.client.get("/api/v1/nodes")
    assert metrics.value("stoker_snapshot_objects", resource="nodes") == len(nodes["items"]) == len(NODES)
    assert metrics.value("stoker_snapshot_objects", resource="pods") > 0
    assert metrics.value("stoker_snapshot_objects", resource="tenantprofiles") >= 1


async def test_the_snapshots_age_is_told_for_every_resource(installation: Installation) -> None:
    ages = {
        sample.labels["resource"]: sample.value
        for family in (await installation.extender_metrics()).families
        for sample in family.samples
        if sample.name == "stoker_snapshot_age_seconds"
    }
    assert {"namespaces", "tenantprofiles", "runtimeclasses", "nodes", "pods"} <= ages.keys()
    assert all(0 <= age < 150 for age in ages.values())


async def test_the_first_lists_and_restarts_of_watches_are_counted(installation: Installation) -> None:
    metrics = await installation.extender_metrics()
    assert metrics.value("stoker_relists_total", resource="nodes") >= 1
    assert metrics.value("stoker_watch_restarts_total") >= 0  # KeyError where nothing counts them


async def test_each_replica_tells_when_its_certificates_expire(installation: Installation) -> None:
    for process in installation.stage.webhooks:
        metrics = Metrics(await scrape(process))
        for certificate in ("ca", "leaf"):
            expiry = metrics.value("stoker_certificate_expiry_timestamp_seconds", certificate=certificate)
            assert expiry > time.time(), certificate


async def test_healthy_processes_say_that_they_are_ready(installation: Installation) -> None:
    stage = installation.stage
    for process in (*stage.webhooks, stage.extender):
        assert (await is_healthy(process), await is_ready(process)) == (True, True), process.name


async def test_every_family_has_our_prefix_and_says_what_it_is(installation: Installation) -> None:
    foreign = ("python_", "process_")
    families = [*(await installation.webhook_metrics()).families, *(await installation.extender_metrics()).families]
    ours = [family for family in families if not family.name.startswith(foreign)]
    assert [family.name for family in ours if not family.name.startswith("stoker_")] == []
    assert [family.name for family in ours if not family.documentation] == []
    assert len(ours) > 10
