"""/metrics, /healthz, /readyz."""

from __future__ import annotations

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from serving.health import build_app


async def test_health_says_ok() -> None:
    async with TestClient(TestServer(build_app({}))) as client:
        response = await client.get("/healthz")
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_ready_when_every_check_holds() -> None:
    async with TestClient(TestServer(build_app({"cluster": lambda: None, "webhook": lambda: None}))) as client:
        response = await client.get("/readyz")
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_not_ready_names_each_failing_check_in_a_line() -> None:
    checks = {"cluster": lambda: "nodes are not synced", "webhook": lambda: None, "extender": lambda: "not serving"}
    async with TestClient(TestServer(build_app(checks))) as client:
        response = await client.get("/readyz")
        assert response.status == 503
        assert await response.text() == "cluster: nodes are not synced\nextender: not serving\n"


async def test_metrics_can_be_parsed_and_carry_our_names() -> None:
    async with TestClient(TestServer(build_app({}))) as client:
        response = await client.get("/metrics")
        families = {family.name for family in text_string_to_metric_families(await response.text())}
    assert response.status == 200
    assert {"stoker_http_requests", "stoker_http_request_seconds", "stoker_http_refused"} <= families
