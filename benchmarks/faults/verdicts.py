"""Whether a stream of creates held what was promised: pure functions of what became of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.faults.creates import Cause, Create, Try, slowest_seconds
from benchmarks.faults.findings import Finding

KILL_SLACK_SECONDS: Final = 1.0
"""How long after a kill the API server may still hold a connection to the dead replica for a living one."""

LEAST_SHARE: Final = 0.9
"""Of the creates a second that were wanted: with fewer, the load was another one than was to be borne."""

SHOWN_REFUSALS: Final = 3
SHOWN_CHARACTERS: Final = 120


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was done to the cluster, and from when to when; of a kill both are the same."""

    name: str
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that is known at the end of a stream."""

    creates: Sequence[Create]
    rate: float
    troubles: Sequence[Trouble]
    unmutated: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What stored pods lack, by their names."""

    wanted_rate: float = 0.0
    """Creates a second, as `rate` was meant to be."""

    @property
    def refusals(self) -> list[Try]:
        return [tried for create in self.creates for tried in create.refusals]

    @property
    def never_created(self) -> list[str]:
        return [create.name for create in self.creates if not create.created]


def judge_refusing_none(name: str, outcome: Outcome, complaints: Sequence[str] = ()) -> Finding:
    """Nothing refused because of Stoker, nothing lost; `complaints` are further ones."""
    refusals = outcome.refusals
    told = [f"{len(refusals)} creates were refused because of Stoker"] if refusals else []
    return _finding(name, outcome, [*told, *complaints])


def judge_kills(name: str, outcome: Outcome) -> Finding:
    """Refused at most what was under way at a kill, and that created on the next try; nothing lost."""
    kills = [trouble.began_at for trouble in outcome.troubles]
    stray = [tried for tried in outcome.refusals if not any(_is_hit(tried, kill) for kill in kills)]
    again = [create.name for create in outcome.creates if len(create.refusals) > 1]
    complaints = []
    if stray:
        complaints.append(f"{len(stray)} creates were refused that were not under way when a replica was killed")
    if again:
        complaints.append(f"{len(again)} creates were refused on the next try as well")
    return _finding(name, outcome, complaints)


def judge_outage(name: str, outcome: Outcome, settle_seconds: float, complaints: Sequence[str] = ()) -> Finding:
    """Refused only from a trouble's beginning until `settle_seconds` after its end; nothing lost."""
    stray = [
        tried for tried in outcome.refusals if not any(_is_within(tried, it, settle_seconds) for it in outcome.troubles)
    ]
    told = [f"{len(stray)} creates were refused outside the trouble"] if stray else []
    return _finding(name, outcome, [*told, *complaints])


def _finding(name: str, outcome: Outcome, complaints: Sequence[str]) -> Finding:
    never, unmutated, refusals = outcome.never_created, outcome.unmutated, outcome.refusals
    told = list(complaints)
    if outcome.rate < LEAST_SHARE * outcome.wanted_rate:
        told.append(f"only {outcome.rate:.1f} creates a second were sent, and {outcome.wanted_rate:g} were wanted")
    if never:
        told.append(f"{len(never)} pods were never created, {never[0]} among them")
    if unmutated:
        first = next(iter(unmutated))
        told.append(
            f"{len(unmutated)} pods are not stored as they should be: {first} lacks {', '.join(unmutated[first])}"
        )
    recovered = max((slowest_seconds(outcome.creates, item.ended_at) for item in outcome.troubles), default=0.0)
    return Finding(
        name, "creates", outcome.rate, len(outcome.creates), len(refusals), len(never) + len(unmutated), recovered,
        tuple(told), _details(outcome, refusals),
    )  # fmt: skip


def _details(outcome: Outcome, refusals: Sequence[Try]) -> dict[str, Any]:
    first = min((create.wanted_at for create in outcome.creates), default=0.0)
    by_cluster = [tried for create in outcome.creates for tried in create.tries if tried.cause is Cause.CLUSTER]
    kinds = Counter(_kind(tried.text) for tried in by_cluster)
    return {
        "unmutated": len(outcome.unmutated),
        "longest_queue_seconds": round(max((create.queued_seconds for create in outcome.creates), default=0.0), 1),
        "refused_by_the_cluster": len(by_cluster),
        "words_of_the_cluster": dict(kinds.most_common(SHOWN_REFUSALS)),
        "refusals": [
            {"at_seconds": round(tried.asked_at - first, 1), "text": tried.text} for tried in refusals[:SHOWN_REFUSALS]
        ],
        "troubles": [
            {
                "name": item.name,
                "at_seconds": round(item.began_at - first, 1),
                "seconds": round(item.ended_at - item.began_at, 1),
                "recovered_seconds": round(slowest_seconds(outcome.creates, item.ended_at), 1),
            }
            for item in outcome.troubles
        ],
    }


def _kind(text: str) -> str:
    """The message without the names of pods, and so short that it can be counted."""
    return re.sub(r"agent-\d+", "agent", text.partition(": ")[2])[:SHOWN_CHARACTERS]


def _is_hit(tried: Try, kill: float) -> bool:
    return tried.asked_at <= kill + KILL_SLACK_SECONDS and tried.answered_at >= kill


def _is_within(tried: Try, trouble: Trouble, settle_seconds: float) -> bool:
    return trouble.began_at <= tried.answered_at <= trouble.ended_at + settle_seconds
