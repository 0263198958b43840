"""The application: `POST /mutate`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from aiohttp import web

from serving.answers import answering
from serving.connections import take_up
from serving.requests import BODY_DEADLINE_SECONDS, MAX_BODY_BYTES, read_json
from serving.shedding import SHED_STATUS, SHEDDING, Shedding
from serving.turns import Turns
from webhook import metrics
from webhook.decision import LAG_BUDGET_SECONDS, Admission, UnknownProfile
from webhook.review import AdmissionRequest, decode_review, encode_answer
from webhook.tenancy import Tenancy
from webhook.verdict import Refusal, Verdict

LISTENER: Final = "webhook"
PATH: Final = "/mutate"

LATE_SECONDS: Final = 1.0
"""A review that waited so long for its turn is shed: the API server's patience is five times that, and a create that
is told to come back is better than all of them standing in a queue that only grows."""

MOST_WAITING: Final = 512
"""Reviews in hand with which one that comes is shed unparsed: a quarter of a second's work, and more than an API server
has under way by default at once for pods."""

AT_ONCE: Final = 8
"""Reviews that are handled before the event loop reads again: about a millisecond's work. One by one, asking the system
what has come would cost a tenth of a review."""

RETRY_AFTER_SECONDS: Final = 1
SHED_TEXT: Final = "more reviews come than Stoker can answer; ask again in a second\n"

_log = logging.getLogger(__name__)


def build_app(
    tenancy: Tenancy,
    *,
    unknown_profile: UnknownProfile = "refuse",
    lag_budget_seconds: float = LAG_BUDGET_SECONDS,
    body_deadline_seconds: float = BODY_DEADLINE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    waited: Callable[[web.Request], float] = take_up,
) -> web.Application:
    """Reads `tenancy` only; the one effect of a review, dry run or not, is in metrics and log."""
    admission, turns = Admission(tenancy, unknown_profile, lag_budget_seconds, clock), Turns(AT_ONCE)

    async def mutate(request: web.Request) -> web.Response:
        await turns.mine()
        if waited(request) > LATE_SECONDS:
            return _shed()
        body = await read_json(request, limit_bytes=MAX_BODY_BYTES, deadline_seconds=body_deadline_seconds)
        review = decode_review(body)
        verdict = await _judge(admission, review)
        metrics.count(verdict)
        _record(review, verdict)
        return web.Response(body=encode_answer(review.uid, verdict), content_type="application/json")

    app = web.Application(middlewares=[answering(LISTENER)], client_max_size=MAX_BODY_BYTES)
    app.router.add_post(PATH, mutate)
    app[SHEDDING] = Shedding(PATH, MOST_WAITING, RETRY_AFTER_SECONDS, SHED_TEXT, metrics.SHED.inc)
    return app


def _shed() -> web.Response:
    """For a review that comes late because more come than can be answered: unread, so that the queue gets shorter.

    The API server asks again after the time named, within its own patience; no log line, since there are too many.
    """
    metrics.SHED.inc()
    return web.Response(status=SHED_STATUS, text=SHED_TEXT, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


async def _judge(admission: Admission, review: AdmissionRequest) -> Verdict:
    try:
        return await admission.judge(review)
    except Exception:  # noqa: BLE001 - whatever it is, the pod is refused with a sentence and the log has the traceback
        _log.exception("review failed", extra={"fields": {"namespace": review.namespace, "uid": review.uid}})
        message = "Stoker failed to decide on this pod, so it is not let in unchanged; the log of Stoker says why"
        return Verdict.refusing(Refusal.unavailable("fault", message))


def _record(review: AdmissionRequest, verdict: Verdict) -> None:
    """Refusals and warnings are told; what else was done stands in the API server's audit log and on the pod.

    A line for each ordinary review would be a sixth of its processor time.
    """
    level = logging.WARNING if verdict.refusal else logging.INFO if verdict.warnings else logging.DEBUG
    if not _log.isEnabledFor(level):
        return
    fields: dict[str, object] = {"namespace": review.namespace, "pod": review.pod_name, "uid": review.uid}
    fields.update(verdict.audit_annotations)
    if verdict.refusal is not None:
        fields["why"] = verdict.refusal.message
    _log.log(level, "pod reviewed", extra={"fields": fields})
