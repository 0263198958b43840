"""Answers: whatever goes wrong with a request ends as one sentence, one log line and one metric, never as a 500."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import Counter, Histogram

from model.errors import InvalidRequest
from serving import metrics
from serving.budget import BODIES

UNKNOWN_PATH: Final = "unknown"

# Answered before a request's body was read to its end: what is left of it is not worth waiting for.
_CLOSING: Final = frozenset((408, 413, 415))
_CLOSING_REASONS: Final = frozenset(("overload", "body_budget", "slow_handling"))

HANDLING_DEADLINE_SECONDS: Final = 10.0
"""Nobody waits for an answer any more by then: API servers and schedulers give up after 5 s."""

_log = logging.getLogger(__name__)


def answering(
    listener: str,
    *,
    clock: Callable[[], float] = time.perf_counter,
    deadline_seconds: float = HANDLING_DEADLINE_SECONDS,
) -> Middleware:
    """The middleware of a listener's application; `listener` names it in logs and metrics.

    InvalidRequest becomes the answer it carries; unknown paths and methods become sentences; anything unexpected is
    logged with its traceback and answered 503, so that the caller's failure policy, not luck, decides what follows.
    A handler that takes longer than `deadline_seconds` is ended and answered 503.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = clock()
        deadline = asyncio.timeout(deadline_seconds)
        try:
            async with deadline:
                response = await handler(request)
        except InvalidRequest as error:
            response = refuse(listener, request, error)
        except web.HTTPNotFound:
            response = refuse(listener, request, _unknown_path(request))
        except web.HTTPMethodNotAllowed as error:
            response = refuse(listener, request, _wrong_method(request, error.allowed_methods))
            response.headers["Allow"] = error.headers["Allow"]
        except web.HTTPException as error:
            response = refuse(listener, request, InvalidRequest(error.reason, status=error.status, reason="http"))
        except Exception as error:  # noqa: BLE001 - the last resort of every request: logged in full, and never a 500
            late = deadline.expired()
            response = refuse(listener, request, _overdue(deadline_seconds)) if late else fail(listener, request, error)
        finally:
            BODIES.release(request)
        observe(listener, _path(request), response.status, clock() - started)
        return response

    return answer


def refuse(listener: str, request: web.BaseRequest, error: InvalidRequest) -> web.Response:
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
    response = _sentence(error.status, str(error))
    if error.status in _CLOSING or error.reason in _CLOSING_REASONS:
        response.force_close()
    return response


def fail(listener: str, request: web.BaseRequest, error: BaseException | None) -> web.Response:
    """The answer to a request that a defect of ours keeps from being served."""
    metrics.REFUSED.labels(listener, "unexpected").inc()
    _log.error(
        "request failed",
        exc_info=error,
        extra={"fields": {"listener": listener, "method": request.method, "path": request.path, "code": 503}},
    )
    return _sentence(503, "this request could not be served; the log of Stoker says why")


def _sentence(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", content_type="text/plain")


def _overdue(deadline_seconds: float) -> InvalidRequest:
    return InvalidRequest(f"no answer was found within {deadline_seconds:g} s", status=503, reason="slow_handling")


def _unknown_path(request: web.Request) -> InvalidRequest:
    known = sorted({resource.canonical for resource in request.app.router.resources()})
    return InvalidRequest(
        f"there is nothing at {request.path!r}; served here: {', '.join(known)}", status=404, reason="unknown_path"
    )


def _wrong_method(request: web.Request, allowed: set[str]) -> InvalidRequest:
    return InvalidRequest(
        f"{request.method} is not served at {request.path}; use {' or '.join(sorted(allowed))}",
        status=405,
        reason="method",
    )


def observe(listener: str, path: str, status: int, seconds: float) -> None:
    """A request was answered; `path` is one of the listener's own, or UNKNOWN_PATH."""
    count, histogram = _measures(listener, path, status)
    count.inc()
    histogram.observe(seconds)


def _path(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNKNOWN_PATH if resource is None else resource.canonical


@cache
def _measures(listener: str, path: str, status: int) -> tuple[Counter, Histogram]:
    """Looked up once: the words are few, and looking them up costs more than counting does."""
    labels = (listener, path, str(status))
    return metrics.REQUESTS.labels(*labels), metrics.REQUEST_SECONDS.labels(*labels)
