"""When a gate of ours is opened in any case: it follows from the pod's creation and its profile alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cluster import wire
from cluster.clock import Clock
from model import names
from model.profiles import ProfileSpec, TenantProfile

LONGEST_HOLD_SECONDS: Final[int] = ProfileSpec.model_fields["max_hold_seconds"].default
"""For a pod whose profile is not to be had (deleted since): the default of `maxHoldSeconds`."""


def creation_of(pod: wire.Pod, clock: Clock, first_seen: float | None = None) -> float:
    """The instant of a pod's creation, never later than it was but for a watch's delay.

    The API cuts it to whole seconds. Whoever saw the pod within that second (or, with a clock behind the API server's,
    before it) knows better; to others it is the second's beginning, so that nobody waits beyond a deadline.
    """
    text = pod.metadata.creation_timestamp
    earliest, latest = clock.earliest(text), clock.instant(text)
    seen = clock.now() if first_seen is None else first_seen
    if earliest is None or latest is None:
        return seen
    return seen if first_seen is not None and seen < latest else earliest


def deadline_of(
    pod: wire.Pod, profile: Callable[[str], TenantProfile | None], clock: Clock, first_seen: float | None = None
) -> float:
    """The instant, from the pod's creation on, so that it survives restarts of whoever watches over it."""
    found = profile(pod.metadata.annotations.get(names.PROFILE_ANNOTATION, ""))
    longest = found.spec.max_hold_seconds if found else LONGEST_HOLD_SECONDS
    return creation_of(pod, clock, first_seen) + longest
