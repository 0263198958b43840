"""From seconds to the scheduler's 0 to 10.

The best node and all within `TIE_SECONDS` of it score 10, so that kube-scheduler's own plugins decide among equals.
Beyond, each doubling of the excess over the best costs one point: 4 s cost one, 8 s two, 512 s eight. A difference that
a user feels on a warm pod (arm64's 17 s) and one that ruins a cold pod (an installation's minutes) thus both show.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

BEST_SCORE: Final = 10
NEUTRAL_SCORE: Final = 5
"""For a node nobody knows, and for every node while the snapshot cannot be relied on."""

WORST_SCORE: Final = 1
IMPOSSIBLE_SCORE: Final = 0
TIE_SECONDS: Final = 2.0

STEPS_SECONDS: Final = tuple(TIE_SECONDS * 2.0**doublings for doublings in range(BEST_SCORE - WORST_SCORE))
"""The excesses beyond each of which a node has one point less: 2, 4, 8, ..., 512 s."""


def score(seconds: float, best_seconds: float) -> int:
    """The score of one node, given the least seconds among those in question; monotone in `seconds`."""
    return BEST_SCORE - bisect_left(STEPS_SECONDS, seconds - best_seconds)


def scores(seconds: Sequence[float | None]) -> list[int]:
    """The scores of all nodes in question, in their order; None means that the pod cannot start there."""
    possible = [value for value in seconds if value is not None]
    best = min(possible, default=0.0)
    return [IMPOSSIBLE_SCORE if value is None else score(value, best) for value in seconds]
