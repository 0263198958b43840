"""The extender over HTTP: POST /filter and POST /prioritize.

Nothing on this path reads the API, and nothing makes the scheduler fail a pod: what goes wrong inside ends as an answer
that leaves the choice to the scheduler's own plugins. The same becomes of a request that has waited for long, since a
scheduler that is kept waiting places nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

from cluster import wire
from extender import metrics
from extender.asked import AskedLists, AskedNodes
from extender.protocol import decode_args, decode_names
from extender.scheduling import Scheduling
from model.errors import InvalidRequest
from serving.answers import refuse
from serving.apps import App, Crowd
from serving.messages import Answer, Request

log = logging.getLogger(__name__)

LISTENER: Final = "extender"

LATE_SECONDS: Final = 0.3
"""A request whose turn comes later than this is answered without a forecast. The shipped configuration of the scheduler
waits half a second (`httpTimeout`), kube-scheduler's own default is 5 s."""

OVERDUE_SECONDS: Final = 3.0
"""Beyond this there are more requests than even neutral answers can be given to. What is refused costs a tenth of an
answer, so the queue ends; the scheduler, which has us as ignorable, goes on without us."""

MOST_WAITING: Final = 4_096
MOST_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Requests that wait for their turn together, an eighth of the memory that the Deployment allows: 1,700 of the usual
75 kB. What comes beyond them is refused unread. `serving.budget` bounds a few large ones: of each of these it counts
next to nothing, and 4,096 connections would hold 300 MB of them."""

T = TypeVar("T")


def build_app(scheduling: Scheduling, *, waited: Callable[[Request], float] = Request.waited) -> App:
    """`waited` tells for how many seconds a request has been in hand."""
    lists = AskedLists(decode_names)

    def read(request: Request) -> tuple[wire.Pod, AskedNodes]:
        if waited(request) > OVERDUE_SECONDS:
            raise _overloaded()
        pod, raw = decode_args(request.body)
        return pod, lists.get(raw)

    def filter_nodes(request: Request) -> Answer:
        pod, asked = read(request)
        body = None
        if not _is_late("filter", waited(request)):
            body = _guarded("filter", lambda: scheduling.filter(pod, asked), None)
        return Answer(body=body or asked.passed())

    def prioritize_nodes(request: Request) -> Answer:
        pod, asked = read(request)
        body = None
        if not _is_late("prioritize", waited(request)):
            body = _guarded("prioritize", lambda: scheduling.prioritize(pod, asked), None)
        return Answer(body=body or asked.neutral())

    def shed(request: Request) -> Answer:
        return refuse(LISTENER, request, _overloaded())

    app = App(LISTENER, crowd=Crowd(MOST_WAITING, MOST_WAITING_BYTES, shed))
    app.post("/filter", filter_nodes)
    app.post("/prioritize", prioritize_nodes)
    return app


def _overloaded() -> InvalidRequest:
    return InvalidRequest("there are more requests than can be answered", status=503, reason="overload")


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
