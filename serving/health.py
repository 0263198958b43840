"""The application of --metrics-listen: /metrics, /healthz, /readyz.

It is served over plain HTTP, so that no probe needs a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from serving.answers import answering


def build_app(checks: Mapping[str, Callable[[], str | None]]) -> web.Application:
    """`checks` are what readiness means here, by name: each returns None, or why it does not hold."""

    async def readyz(_: web.Request) -> web.Response:
        failing = [f"{name}: {reason}\n" for name, check in checks.items() if (reason := check()) is not None]
        if failing:
            return web.Response(status=503, text="".join(failing))
        return web.Response(text="ok\n")

    app = web.Application(middlewares=[answering("metrics")])
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", readyz)
    return app


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")
