"""What the webhook counts."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter

from webhook.verdict import Verdict

REVIEWS: Final = Counter(
    "stoker_webhook_reviews_total", "Reviews answered, by outcome: mutated, unchanged, passed, refused.", ["outcome"]
)
PATCH_OPERATIONS: Final = Counter(
    "stoker_webhook_patch_operations_total",
    "Operations of the patches answered, by the mutation they belong to.",
    ["kind"],
)
SHED: Final = Counter(
    "stoker_webhook_shed_total", "Reviews turned away unread with 429, since more came than could be answered in time."
)
REFUSALS: Final = Counter("stoker_webhook_refusals_total", "Pods refused, by constant reason.", ["reason"])
WARNINGS: Final = Counter("stoker_webhook_warnings_total", "Warnings given to pods' authors, by kind.", ["kind"])


# The constant words of both labels are looked up once: that costs more than to count.
_reviews: Final = cache(REVIEWS.labels)
_operations: Final = cache(PATCH_OPERATIONS.labels)


def count(verdict: Verdict) -> None:
    _reviews(verdict.outcome).inc()
    for kind, operations in verdict.operations_by_kind.items():
        _operations(kind).inc(operations)
    if verdict.refusal is not None:
        REFUSALS.labels(verdict.refusal.reason).inc()
    for warning in verdict.warnings:
        WARNINGS.labels(warning.kind).inc()
