"""The application of --metrics-listen: /metrics, /healthz, /readyz.

It is served over plain HTTP, so that no probe needs a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

from serving.apps import App
from serving.exposition import Exposition
from serving.messages import TEXT, Answer, Request

LISTENER: Final = "metrics"
OK: Final = Answer(body=b"ok\n", content_type=TEXT)


def build_app(checks: Mapping[str, Callable[[], str | None]], exposition: Exposition | None = None) -> App:
    """`checks` are what readiness means here, by name: each returns None, or why it does not hold.

    Without an `exposition` there is no /metrics.
    """

    def healthz(_: Request) -> Answer:
        return OK

    def readyz(_: Request) -> Answer:
        failing = [f"{name}: {reason}\n" for name, check in checks.items() if (reason := check()) is not None]
        return Answer(503, "".join(failing).encode(), TEXT) if failing else OK

    app = App(LISTENER)
    if exposition is not None:
        app.get("/metrics", lambda _: _metrics(exposition))
    app.get("/healthz", healthz)
    app.get("/readyz", readyz)
    return app


async def _metrics(exposition: Exposition) -> Answer:
    return Answer(body=await exposition.text(), content_type=CONTENT_TYPE_LATEST)
