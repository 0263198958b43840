"""The application: `POST /mutate`."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from serving.apps import BODY_DEADLINE_SECONDS, App, Crowd
from serving.messages import Answer, Request, sentence
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

MOST_WAITING: Final = 1_024
"""Reviews here whole with which one that comes is shed unread: a quarter of a second's work where reading
leaves the time for it, and more than an API server has under way by default at once for pods."""

MOST_WAITING_BYTES: Final = 128 * 1024 * 1024
"""Of these together, an eighth of the memory that the Deployment allows: the largest are 8 MiB each."""

SHED_STATUS: Final = 429
RETRY_AFTER_SECONDS: Final = 1

_log = logging.getLogger(__name__)


def build_app(
    tenancy: Tenancy,
    *,
    unknown_profile: UnknownProfile = "refuse",
    lag_budget_seconds: float = LAG_BUDGET_SECONDS,
    body_deadline_seconds: float = BODY_DEADLINE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    waited: Callable[[Request], float] = Request.waited,
) -> App:
    """Reads `tenancy` only; the one effect of a review, dry run or not, is in metrics and log."""
    admission = Admission(tenancy, unknown_profile, lag_budget_seconds, clock)

    def mutate(request: Request) -> Answer | Awaitable[Answer]:
        if waited(request) > LATE_SECONDS:
            return _shed(request)
        review = decode_review(request.body)
        try:
            verdict = admission.judge_known(review)
        except Exception:  # noqa: BLE001 - whatever it is, the pod is refused with a sentence and the log has the traceback
            verdict = _failed(review)
        return _judge_later(admission, review) if verdict is None else _told(review, verdict)

    crowd = Crowd(MOST_WAITING, MOST_WAITING_BYTES, _shed)
    app = App(LISTENER, crowd=crowd, body_deadline_seconds=body_deadline_seconds)
    app.post(PATH, mutate)
    return app


def _shed(_: Request) -> Answer:
    """For a review that comes where more come than can be answered: unread, so that the queue gets shorter.

    The API server asks again after the time named, within its own patience; no log line, since there are too many.
    """
    metrics.SHED.inc()
    text = "more reviews come than Stoker can answer; ask again in a second"
    return sentence(SHED_STATUS, text, headers=(("Retry-After", str(RETRY_AFTER_SECONDS)),))


async def _judge_later(admission: Admission, review: AdmissionRequest) -> Answer:
    try:
        verdict = await admission.judge(review)
    except Exception:  # noqa: BLE001 - as above
        verdict = _failed(review)
    return _told(review, verdict)


def _failed(review: AdmissionRequest) -> Verdict:
    _log.exception("review failed", extra={"fields": {"namespace": review.namespace, "uid": review.uid}})
    message = "Stoker failed to decide on this pod, so it is not let in unchanged; the log of Stoker says why"
    return Verdict.refusing(Refusal.unavailable("fault", message))


def _told(review: AdmissionRequest, verdict: Verdict) -> Answer:
    metrics.count(verdict)
    _record(review, verdict)
    return Answer(body=encode_answer(review.uid, verdict))


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
