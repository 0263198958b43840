"""Whether a copy of the cluster was honest about its age, and whole afterwards: functions of what was seen of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from benchmarks.faults.findings import Finding
from cluster.freshness import BROKEN_SECONDS

SLACK_SECONDS: Final = 5.0
"""Beside the time after which a broken watch is told: what is broken is noticed a moment later."""

CATCH_UP_SECONDS: Final = 1.0
"""After a complaint: the watch is whole again, and what it brings is being applied."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at the copy: for how long it has lacked the oldest change that it lacks, and what it says of itself."""

    at: float
    """On the wall's steady clock."""

    lacking_seconds: float
    complaint: str | None


@dataclass(frozen=True, slots=True)
class Following:
    """Everything that was seen of one copy; all seconds are those of its own clock, but for `seconds`."""

    changes: int
    seconds: float
    samples: Sequence[Sample]
    differing: Sequence[str]
    """Objects that at the end are not as in a fresh list."""

    recovered_seconds: float
    must_complain: bool
    """Whether the trouble lasted longer than a copy may keep silent about it."""

    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def silent_seconds(self) -> float:
        """The longest that it lacked a change without a complaint, then or in the second before."""
        longest, complained_at = 0.0, -inf
        for item in self.samples:
            if item.complaint is not None:
                complained_at = item.at
            elif item.at - complained_at > CATCH_UP_SECONDS:
                longest = max(longest, item.lacking_seconds)
        return longest

    @property
    def complained(self) -> bool:
        return any(item.complaint is not None for item in self.samples)


def judge_copy(name: str, seen: Following) -> Finding:
    """Equal to a fresh list at the end, and never older than it may be without saying so."""
    complaints = []
    if seen.differing:
        complaints.append(f"{len(seen.differing)} objects differ from a fresh list, {seen.differing[0]} among them")
    if seen.silent_seconds > BROKEN_SECONDS + SLACK_SECONDS:
        complaints.append(f"it lacked a change for {seen.silent_seconds:.0f} s and did not complain")
    if seen.must_complain and not seen.complained:
        complaints.append("it never said that it was stale")
    details = {
        "lacking_seconds": round(max((item.lacking_seconds for item in seen.samples), default=0.0), 1),
        "silent_seconds": round(seen.silent_seconds, 1),
        "stale_visible": seen.complained,
        **seen.details,
    }
    return Finding(
        name,
        "changes",
        seen.changes / max(seen.seconds, 0.001),
        seen.changes,
        0,
        len(seen.differing),
        seen.recovered_seconds,
        tuple(complaints),
        details,
    )


def differences(copy: Mapping[str, Mapping[str, Any]], fresh: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Keys of objects (after the name of their collection) that only one of the two has, or that are not equal."""
    return [
        f"{collection} {key}"
        for collection in sorted({*copy, *fresh})
        for key in sorted({*copy.get(collection, {}), *fresh.get(collection, {})})
        if copy.get(collection, {}).get(key) != fresh.get(collection, {}).get(key)
    ]
