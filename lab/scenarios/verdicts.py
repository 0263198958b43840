"""What each mode achieved against the omniscient placement, and whether the story's promises held. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final

from lab.outcomes import percentile
from lab.scenarios.modes import EXTENDER, MODES, NOMINATION, PLAIN, TUNED
from lab.scenarios.omniscience import Placement
from lab.scenarios.sights import Finding, Sight
from lab.stories import ColdJoin, Story

MOST_REGRET: Final = 0.05
MOST_AVOIDABLE: Final[Mapping[str, float]] = {PLAIN.name: 0.10, TUNED.name: 0.25}
"""Of another mode's avoidable seconds at p95, on a mixed fleet."""

WITHOUT_STOKER: Final[Mapping[str, Sequence[str]]] = {
    EXTENDER.name: (PLAIN.name,),
    NOMINATION.name: (PLAIN.name, TUNED.name),
}
"""What a mode of Stoker's is held against: placement against the better of both. The extender alone costs its scheduler
a third of its pods a second, and so a burst in compressed time more than a careful engineer's settings gain."""

LATER_SECONDS: Final = 2.0
"""How much later than the best of those pods may be ready, at p95."""

RELEASE_WALL_SECONDS: Final = 1.0
"""In which a pod is let through that no node has room for."""

STRANDED_WALL_SECONDS: Final = 2.0
"""In which a nomination is cleared that has become unschedulable: two of Stoker's looks at the fleet."""

NOISE_WALL_SECONDS: Final = 0.1
"""By which moments seen through a watch may be late on a busy machine."""

BEATEN: Final = 0.01
"""By which share of its mean a trial may seem to beat the omniscient placement: bindings and moments are measured."""


@dataclass(frozen=True, slots=True)
class Case:
    """One story's trials, with what they are held against."""

    name: str
    story: Story
    seed: int
    speed: float
    max_hold_seconds: float
    findings: Mapping[str, Finding]
    """By mode."""

    omniscient: Placement

    @property
    def nomination(self) -> Finding | None:
        return self.findings.get(NOMINATION.name)


def avoidable_seconds(finding: Finding, omniscient: Placement) -> list[float]:
    """Of each pod: its seconds to ready above those of the omniscient placement."""
    pairs = zip(finding.sights, omniscient.seconds, strict=True)
    return [finding.seconds(sight) - least for sight, least in pairs if isfinite(least)]


def regret(case: Case) -> float | None:
    """Mean avoidable seconds of the nominated pods, as a share of the omniscient mean; None without that mode."""
    least = [seconds for seconds in case.omniscient.seconds if isfinite(seconds)]
    if case.nomination is None or not least:
        return None
    return sum(avoidable_seconds(case.nomination, case.omniscient)) / sum(least)


def p95(seconds: Sequence[float]) -> float | None:
    return percentile(sorted(seconds), 0.95)


def stuck_pods(case: Case) -> list[str]:
    """Nominated pods that were not ready in the end, held too long, or left Unschedulable with a nomination."""
    if case.nomination is None:
        return []
    return [name for name, _ in _stuck(case, case.nomination)]


def complaints(case: Case) -> list[str]:
    """Everything that did not hold or could not be judged, in sentences; empty where all held."""
    found = list(_about_missing_modes(case))
    found += [f"{finding.mode}: {text}" for finding in case.findings.values() for text in finding.complaints]
    found += _about_omniscience(case)
    if case.nomination is None:
        return found
    found += [f"{name} {why}" for name, why in _stuck(case, case.nomination)]
    found += _about_lateness(case)
    if case.name == "mixed-fleet":
        found += _about_avoidable_seconds(case, case.nomination)
    if isinstance(case.story, ColdJoin):
        found += _about_release(case.story, case.nomination)
    return found


def _about_missing_modes(case: Case) -> Iterator[str]:
    """Without one of them a promise was not tried, and may not pass for kept."""
    if missing := [mode.name for mode in MODES if mode.name not in case.findings]:
        yield f"not judged: without {', '.join(missing)} there is nothing to hold the others against"


def _stuck(case: Case, nomination: Finding) -> Iterator[tuple[str, str]]:
    """The pods that are stuck, each with why."""
    for sight, least in zip(nomination.sights, case.omniscient.seconds, strict=True):
        if why := _why_stuck(case, sight, least):
            yield sight.name, why


def _why_stuck(case: Case, sight: Sight, least: float) -> str | None:
    """`least`: the pod's seconds in the omniscient placement. Where even that has no place for it, it may stay away."""
    held = sight.gate_wall_seconds * case.speed
    if sight.is_gated or (sight.gate_wall_seconds - NOISE_WALL_SECONDS) * case.speed > case.max_hold_seconds:
        return f"was held for {held:.0f} s, {case.max_hold_seconds:.0f} is its deadline"
    if sight.is_stranded or sight.stranded_wall_seconds > STRANDED_WALL_SECONDS:
        return f"was Unschedulable with a nomination for {sight.stranded_wall_seconds:.1f} wall seconds"
    if sight.seconds is None and isfinite(least):
        return "was never ready"
    return None


def _about_omniscience(case: Case) -> Iterator[str]:
    """A computed placement that a trial beats was computed wrongly."""
    least = [seconds for seconds in case.omniscient.seconds if isfinite(seconds)]
    for finding in case.findings.values():
        gained = -sum(avoidable_seconds(finding, case.omniscient))
        if least and gained > BEATEN * sum(least):
            yield f"{finding.mode} beat the omniscient placement by {gained / len(least):.2f} s a pod"


def _about_lateness(case: Case) -> Iterator[str]:
    ready = {
        name: p95([finding.seconds(sight) for sight in finding.sights]) or 0.0
        for name, finding in case.findings.items()
    }
    for name, others in WITHOUT_STOKER.items():
        least, best = min(((ready[other], other) for other in others if other in ready), default=(inf, ""))
        if name in ready and ready[name] > least + LATER_SECONDS:
            yield f"{name}: ready after {ready[name]:.1f} s at p95, without Stoker after {least:.1f} ({best})"


def _about_avoidable_seconds(case: Case, nomination: Finding) -> Iterator[str]:
    ours = p95(avoidable_seconds(nomination, case.omniscient)) or 0.0
    for name, share in MOST_AVOIDABLE.items():
        if (other := case.findings.get(name)) is None:
            continue
        theirs = p95(avoidable_seconds(other, case.omniscient)) or 0.0
        if ours > share * theirs:
            yield f"{ours:.1f} avoidable seconds at p95 are more than {share:.0%} of the {theirs:.1f} of {name}"
    mean = regret(case) or 0.0
    if mean > MOST_REGRET:
        yield f"a mean regret of {mean:.1%} is more than {MOST_REGRET:.0%}"
    if failed := sum(sight.failed_sandboxes for sight in nomination.sights):
        yield f"{failed} sandboxes failed"


def _about_release(story: ColdJoin, nomination: Finding) -> Iterator[str]:
    """Pods that were there before any node was on its way, and that none had room for."""
    for sight in nomination.sights:
        joined = sight.node is None or sight.node.startswith(f"{story.joining.name}-")
        launched = nomination.first_launch_unix
        nobody_came = launched is None or sight.created_unix < launched
        if joined and nobody_came and sight.gate_wall_seconds > RELEASE_WALL_SECONDS:
            yield f"{sight.name} was let through only after {sight.gate_wall_seconds:.2f} wall seconds"
    if nomination.first_launch_unix is None:
        yield "the autoscaler launched nothing; the story needs more pods than its fleet has room for"
