"""The application of --metrics-listen: /metrics, /healthz, /readyz.

It is served over plain HTTP, so that no probe needs a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST

from serving.answers import answering
from serving.exposition import Exposition


def build_app(checks: Mapping[str, Callable[[], str | None]], exposition: Exposition | None = None) -> web.Application:
    """`checks` are what readiness means here, by name: each returns None, or why it does not hold.

    Without an `exposition` there is no /metrics.
    """

    async def readyz(_: web.Request) -> web.Response:
        failing = [f"{name}: {reason}\n" for name, check in checks.items() if (reason := check()) is not None]
        if failing:
            return web.Response(status=503, text="".join(failing))
        return web.Response(text="ok\n")

    app = web.Application(middlewares=[answering("metrics")])
    if exposition is not None:
        app.router.add_get("/metrics", _metrics(exposition))
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", readyz)
    return app


def _metrics(exposition: Exposition) -> Handler:
    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=await exposition.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")
