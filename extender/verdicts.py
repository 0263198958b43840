"""The score of one pod on a few nodes, worked out plainly: what the explain command shows.

The extender's own answers come from columns (`extender.outlook`), which give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.forecast import Forecast, forecast
from model.nodes import NodeFacts
from model.pods import PodNeeds
from model.profiles import ProfileSpec
from model.score import NEUTRAL_SCORE, scores
from model.terms import ImageSizes


@dataclass(frozen=True, slots=True)
class Priorities:
    """The scores of the nodes asked about, in their order, and the forecasts they come from (None: unknown node)."""

    scores: list[int]
    forecasts: list[Forecast | None]


def priorities(
    pod: PodNeeds, profile: ProfileSpec, nodes: Sequence[NodeFacts | None], sizes: ImageSizes, now: float
) -> Priorities:
    """Score the nodes by their forecasts; a node nobody knows (None) gets the neutral score."""
    forecasts = [None if node is None else forecast(pod, node, profile, sizes, now) for node in nodes]
    known = [item for item in forecasts if item is not None]
    by_forecast = iter(scores([None if item.impossible else item.seconds for item in known]))
    return Priorities([NEUTRAL_SCORE if item is None else next(by_forecast) for item in forecasts], forecasts)
