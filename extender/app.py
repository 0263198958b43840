"""The extender over HTTP: POST /filter and POST /prioritize.

Nothing on this path reads the API, and nothing makes the scheduler fail a pod: what goes wrong inside ends as an answer
that leaves the choice to the scheduler's own plugins. The same becomes of a request that has waited for long, since a
scheduler that is kept waiting places nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from aiohttp import web

from cluster import wire
from extender import metrics
from extender.asked import AskedLists, AskedNodes
from extender.protocol import decode_args, decode_names, encode_filter_result
from extender.scheduling import Scheduling
from model.errors import InvalidRequest
from serving.answers import answering
from serving.connections import take_up
from serving.requests import read_json
from serving.turns import Turns

log = logging.getLogger(__name__)

JSON: Final = "application/json"

LATE_SECONDS: Final = 0.3
"""A request whose turn comes later than this is answered without a forecast. The shipped configuration of the scheduler
waits half a second (`httpTimeout`), kube-scheduler's own default is 5 s."""

OVERDUE_SECONDS: Final = 3.0
"""Beyond this there are more requests than even neutral answers can be given to. What is refused costs a tenth of an
answer, so the queue ends; the scheduler, which has us as ignorable, goes on without us. Looked at before the body is
read, and once more when the request's turn has come."""

WAITING_BYTES: Final = 128 * 1024 * 1024
"""Bodies that wait for their turn together, an eighth of the memory that the Deployment allows: 1,700 of the usual
75 kB. What comes beyond them is refused unread. `serving.budget` bounds a few large ones: of each of these it counts
next to nothing, and 4,096 connections would hold 300 MB of them."""

T = TypeVar("T")


def build_app(scheduling: Scheduling, *, waited: Callable[[web.BaseRequest], float] = take_up) -> web.Application:
    """`waited` tells for how many seconds a request has been in hand."""
    lists, turns = AskedLists(decode_names), Turns()
    waiting_bytes = 0

    def refuse_if(*, overloaded: bool) -> None:
        if overloaded:
            raise InvalidRequest("there are more requests than can be answered", status=503, reason="overload")

    async def read_in_turn(request: web.Request) -> bytes:
        nonlocal waiting_bytes
        refuse_if(overloaded=waited(request) > OVERDUE_SECONDS or waiting_bytes > WAITING_BYTES)
        body = await read_json(request)
        waiting_bytes += len(body)
        try:
            await turns.mine()
        finally:
            waiting_bytes -= len(body)
        refuse_if(overloaded=waited(request) > OVERDUE_SECONDS)
        return body

    async def read(request: web.Request) -> tuple[wire.Pod, AskedNodes]:
        pod, raw = decode_args(await read_in_turn(request))
        return pod, lists.get(raw)

    async def filter_nodes(request: web.Request) -> web.Response:
        pod, asked = await read(request)
        refused: dict[str, str] = {}
        if not _is_late("filter", waited(request)):
            refused = _guarded("filter", lambda: scheduling.filter(pod, asked), refused)
        return web.Response(body=encode_filter_result(asked.raw, asked.names, refused), content_type=JSON)

    async def prioritize_nodes(request: web.Request) -> web.Response:
        pod, asked = await read(request)
        body = None
        if not _is_late("prioritize", waited(request)):
            body = _guarded("prioritize", lambda: scheduling.prioritize(pod, asked), None)
        return web.Response(body=body or asked.neutral(), content_type=JSON)

    app = web.Application(middlewares=[answering("extender")])
    app.router.add_post("/filter", filter_nodes)
    app.router.add_post("/prioritize", prioritize_nodes)
    return app


def _is_late(verb: str, seconds: float) -> bool:
    if seconds <= LATE_SECONDS:
        return False
    metrics.ANSWERS.labels(verb, "neutral: late").inc()
    return True


def _guarded(verb: str, decide: Callable[[], T], neutral_answer: T) -> T:
    """A mistake of ours must not keep a pod from running: all nodes pass, all score the same, and the log tells."""
    try:
        return decide()
    except Exception:
        metrics.ANSWERS.labels(verb, "neutral: internal error").inc()
        log.exception("the answer is neutral, the decision failed", extra={"fields": {"verb": verb}})
        return neutral_answer
