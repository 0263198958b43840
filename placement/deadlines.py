"""When a gate of ours is opened in any case: it follows from the pod's creation and its profile alone.

And from when on it has held a pod, and how long one that went through it with a nomination may stay unbound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cluster import wire
from cluster.clock import Clock
from model import names
from model.profiles import ProfileSpec, TenantProfile

LONGEST_HOLD_SECONDS: Final[int] = ProfileSpec.model_fields["max_hold_seconds"].default
"""For a pod whose profile is not to be had (deleted since): the default of `maxHoldSeconds`."""

OVERDUE_WALL_SECONDS: Final = 5.0
"""How long after its deadline a gate is opened by any replica, whether it leads or not: perhaps nobody does.

In wall time. A leader needs less: its rounds are a second apart at most, and a write that failed is tried again after
another.
"""

BINDING_WALL_SECONDS: Final = 60.0
"""What schedulers are given to bind a pod that was nominated, from when its gate was seen open.

In wall time, since their pace does not follow a compressed clock. It is more than the worst of a scheduler that works:
17 s until another leads in the place of a dead one (its Lease, and the pause between two tries), 10 s of back-off, and
17 s for 600 pods by one that looks at each of 5,000 nodes (36 a second, measured on v1.36.3).
"""


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


def held_since(pod: wire.Pod, clock: Clock, first_seen: float | None = None) -> float:
    """The instant from which on it was surely held: its creation, read late, or when it was seen where that was before.

    So a replica that starts counts what its pods have waited already, and one that saw them come counts exactly.
    """
    created = clock.instant(pod.metadata.creation_timestamp)
    seen = clock.now() if first_seen is None else first_seen
    return seen if created is None else min(created, seen)


def deadline_of(
    pod: wire.Pod, profile: Callable[[str], TenantProfile | None], clock: Clock, first_seen: float | None = None
) -> float:
    """The instant, from the pod's creation on, so that it survives restarts of whoever watches over it."""
    found = profile(pod.metadata.annotations.get(names.PROFILE_ANNOTATION, ""))
    longest = found.spec.max_hold_seconds if found else LONGEST_HOLD_SECONDS
    return creation_of(pod, clock, first_seen) + longest


def binding_due(deadline: float, clock: Clock, first_open: float | None) -> float:
    """The instant by which a nominated pod is to be bound: never before its gate's deadline.

    `first_open` is when it was first seen without our gate; a new leader counts from when it saw that.
    """
    opened = clock.now() if first_open is None else first_open
    return max(deadline, opened + BINDING_WALL_SECONDS * clock.scale)
