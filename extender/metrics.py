"""What the extender tells of its answers."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Histogram

from cluster.metrics import START_UP_BUCKETS

ANSWERS: Final = Counter(
    "stoker_extender_answers_total",
    "Answers to the scheduler, by verb and by what they rest on: forecast, or neutral and why.",
    ["verb", "basis"],
)
NODES_REFUSED: Final = Counter("stoker_extender_nodes_refused_total", "Nodes filtered out because they never can.")
FORECAST_SECONDS: Final = Histogram(
    "stoker_forecast_seconds",
    "The forecast of each pod for the node it was bound to: its terms, and the total.",
    ["term"],
    buckets=START_UP_BUCKETS,
)
EXPECTED_STARTS: Final = Counter(
    "stoker_expected_starts_total", "Pods that were scored and then seen bound, or not in time.", ["outcome"]
)


@cache
def answers(verb: str, basis: str) -> Counter:
    """Looked up once, as below: the words are few, and looking them up costs more than counting does."""
    return ANSWERS.labels(verb, basis)


@cache
def forecast_seconds(term: str) -> Histogram:
    return FORECAST_SECONDS.labels(term)
