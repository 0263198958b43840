"""When a gate of ours is opened in any case: a pure function of the pod's creation and its profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cluster import wire
from cluster.clock import Clock
from model import names
from model.profiles import TenantProfile

LONGEST_HOLD_SECONDS: Final = 120
"""For a pod whose profile is not to be had (deleted since): the default of `maxHoldSeconds`."""


def deadline_of(pod: wire.Pod, profile: Callable[[str], TenantProfile | None], clock: Clock) -> float:
    """The instant, from the pod's creation on, so that it survives restarts of whoever watches over it."""
    created = clock.instant(pod.metadata.creation_timestamp) or clock.now()
    found = profile(pod.metadata.annotations.get(names.PROFILE_ANNOTATION, ""))
    return created + (found.spec.max_hold_seconds if found else LONGEST_HOLD_SECONDS)
