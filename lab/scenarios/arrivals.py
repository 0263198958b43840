"""When a story's pods arrive."""

from __future__ import annotations

from random import Random


def arrivals(pods: int, over_seconds: float, seed: int, story: str) -> list[float]:
    """Moments in ascending order, the first 0: uniform at random over the time, as customers come who do not know of
    each other. The same seed and story give the same moments."""
    draw = Random(f"{seed}/arrivals/{story}")  # noqa: S311 - a load, not a secret
    moments = sorted(draw.uniform(0.0, over_seconds) for _ in range(pods))
    return [moment - moments[0] for moment in moments]
