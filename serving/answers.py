"""Answers that no handler meant to give: whatever goes wrong ends as one sentence, one log line and one metric."""

from __future__ import annotations

import logging
from functools import cache

from prometheus_client import Counter, Histogram

from model.errors import InvalidRequest
from serving import metrics
from serving.messages import Answer, Request, sentence

_log = logging.getLogger(__name__)


def refuse(
    listener: str, request: Request, error: InvalidRequest, *, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """The answer that an InvalidRequest carries, logged and counted."""
    metrics.REFUSED.labels(listener, error.reason).inc()
    _log.warning(
        "request refused",
        extra={
            "fields": {
                "listener": listener,
                "method": request.method,
                "path": request.path,
                "code": error.status,
                "reason": error.reason,
                "remote": request.remote,
                "why": error,
            }
        },
    )
    return sentence(error.status, str(error), headers=headers)


def fail(listener: str, request: Request, error: BaseException) -> Answer:
    """The answer to a request that a defect of ours keeps from being served: the caller's failure policy, not luck,
    decides what follows.
    """
    metrics.REFUSED.labels(listener, "unexpected").inc()
    _log.error(
        "request failed",
        exc_info=error,
        extra={"fields": {"listener": listener, "method": request.method, "path": request.path, "code": 503}},
    )
    return sentence(503, "this request could not be served; the log of Stoker says why")


def observe(listener: str, path: str, status: int, seconds: float) -> None:
    """A request was answered; `path` is one of the listener's own, or `apps.UNKNOWN_PATH`."""
    count, histogram = _measures(listener, path, status)
    count.inc()
    histogram.observe(seconds)


@cache
def _measures(listener: str, path: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once: the words are few, and looking them up costs more than counting does."""
    labels = (listener, path, str(status))
    return metrics.REQUESTS.labels(*labels), metrics.REQUEST_SECONDS.labels(*labels)
