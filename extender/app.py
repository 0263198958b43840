"""The extender over HTTP: POST /filter and POST /prioritize.

Nothing on this path reads the API, and nothing makes the scheduler fail a pod: what goes wrong inside ends as an answer
that leaves the choice to the scheduler's own plugins.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from aiohttp import web

from extender import metrics
from extender.asked import AskedLists
from extender.protocol import decode_args, decode_names, encode_filter_result, encode_neutral
from extender.scheduling import Scheduling
from serving.answers import answering
from serving.requests import read_json

log = logging.getLogger(__name__)

JSON: Final = "application/json"


T = TypeVar("T")


def build_app(scheduling: Scheduling) -> web.Application:
    lists = AskedLists(decode_names)

    async def filter_nodes(request: web.Request) -> web.Response:
        pod, raw = decode_args(await read_json(request))
        asked = lists.get(raw)
        nothing: dict[str, str] = {}
        refused = _guarded("filter", lambda: scheduling.filter(pod, asked), nothing)
        return web.Response(body=encode_filter_result(raw, asked.names, refused), content_type=JSON)

    async def prioritize_nodes(request: web.Request) -> web.Response:
        pod, raw = decode_args(await read_json(request))
        asked = lists.get(raw)
        body = _guarded("prioritize", lambda: scheduling.prioritize(pod, asked), None)
        return web.Response(body=encode_neutral(asked.names) if body is None else body, content_type=JSON)

    app = web.Application(middlewares=[answering("extender")])
    app.router.add_post("/filter", filter_nodes)
    app.router.add_post("/prioritize", prioritize_nodes)
    return app


def _guarded(verb: str, decide: Callable[[], T], neutral_answer: T) -> T:
    """A mistake of ours must not keep a pod from running: all nodes pass, all score the same, and the log tells."""
    try:
        return decide()
    except Exception:
        metrics.ANSWERS.labels(verb, "neutral: internal error").inc()
        log.exception("the answer is neutral, the decision failed", extra={"fields": {"verb": verb}})
        return neutral_answer
