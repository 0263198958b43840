"""/metrics, /healthz, /readyz."""

from __future__ import annotations

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from serving.exposition import Exposition
from serving.health import build_app
from tests.serving.client import client_of


async def test_health_says_ok() -> None:
    async with client_of(build_app({})) as client:
        response = await client.get("/healthz")
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_ready_when_every_check_holds() -> None:
    async with client_of(build_app({"cluster": lambda: None, "webhook": lambda: None})) as client:
        response = await client.get("/readyz")
        assert (response.status, await response.text()) == (200, "ok\n")


async def test_not_ready_names_each_failing_check_in_a_line() -> None:
    checks = {"cluster": lambda: "nodes are not synced", "webhook": lambda: None, "extender": lambda: "not serving"}
    async with client_of(build_app(checks)) as client:
        response = await client.get("/readyz")
        assert response.status == 503
        assert await response.text() == "cluster: nodes are not synced\nextender: not serving\n"


async def test_metrics_can_be_left_out() -> None:
    async with client_of(build_app({})) as client:
        response = await client.get("/metrics")
        assert (response.status, await response.text()) == (
            404,
            "there is nothing at '/metrics'; served here: /healthz, /readyz\n",
        )


async def test_metrics_are_made_once_in_a_while_for_all_who_asked_and_never_before_they_did() -> None:
    now, made, waits, go_on = [100.0], list[float](), list[float](), asyncio.Event()

    def make() -> bytes:
        made.append(now[0])
        return f"made at {now[0]:g}".encode()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if seconds:
            await go_on.wait()
            now[0] += seconds

    exposition = Exposition(pause_seconds=2.0, make=make, clock=lambda: now[0], sleep=sleep)
    assert await exposition.text() == b"made at 100"
    now[0] += 0.5
    asking = [asyncio.create_task(exposition.text()) for _ in range(50)]
    await asyncio.sleep(0)
    go_on.set()
    assert set(await asyncio.gather(*asking)) == {b"made at 102"}
    assert (made, waits) == ([100.0, 102.0], [0.0, 1.5])


async def test_metrics_can_be_parsed_and_carry_our_names() -> None:
    async with client_of(build_app({}, Exposition())) as client:
        response = await client.get("/metrics")
        families = {family.name for family in text_string_to_metric_families(await response.text())}
    assert response.status == 200
    assert {"stoker_http_requests", "stoker_http_request_seconds", "stoker_http_refused"} <= families
