"""What the extender answers about one pod: pure functions over the snapshot's values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.forecast import Forecast, forecast
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.runtime import RuntimeState, runtime_on
from model.score import BEST_SCORE, NEUTRAL_SCORE, scores
from model.terms import ImageSizes


@dataclass(frozen=True, slots=True)
class Priorities:
    """The scores of the nodes asked about, in their order, and the forecasts they come from (None: unknown node)."""

    scores: list[int]
    forecasts: list[Forecast | None]

    @property
    def best(self) -> list[str]:
        """The nodes that tie for the best score, as far as they are known."""
        pairs = zip(self.forecasts, self.scores, strict=True)
        return [item.node for item, score in pairs if item is not None and score == BEST_SCORE]


def refusals(pod: PodNeeds, nodes: Sequence[NodeFacts | None], now: float) -> dict[str, str]:
    """The nodes that can never run the pod, each with its constant reason."""
    refused = {}
    for node in nodes:
        if node is not None and (verdict := runtime_on(node, pod.handler, now)).state is RuntimeState.ABSENT:
            refused[node.name] = verdict.reason
    return refused


def priorities(
    pod: PodNeeds, profile: ProfileSpec, nodes: Sequence[NodeFacts | None], sizes: ImageSizes, now: float
) -> Priorities:
    """Score the nodes by their forecasts; a node nobody knows (None) gets the neutral score."""
    forecasts = [None if node is None else forecast(pod, node, profile, sizes, now) for node in nodes]
    known = [item for item in forecasts if item is not None]
    by_forecast = iter(scores([None if item.impossible else item.seconds for item in known]))
    return Priorities([NEUTRAL_SCORE if item is None else next(by_forecast) for item in forecasts], forecasts)


def neutral(nodes: Sequence[str]) -> Priorities:
    """The same score for all: nothing is known, so the scheduler's own plugins decide."""
    return Priorities([NEUTRAL_SCORE] * len(nodes), [None] * len(nodes))
