"""What came of a fault, the report of all of them (its shape is a contract), and the lines that a person reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report import describe_machine


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that was tried.

    `requests` counts what was asked for, in `unit`; `load` is how many of them a second there really were. `refused`:
    by Stoker; `lost`: never done, done wrongly, or not as it should be at the end. `recovered_seconds`: from the end of
    the fault until everything was as without it.
    """

    name: str
    unit: str
    load: float
    requests: int
    refused: int
    lost: int
    recovered_seconds: float
    complaints: tuple[str, ...] = ()
    """What did not hold, a sentence each."""

    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return not self.complaints

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "load": round(self.load, 1),
            "requests": self.requests,
            "refused": self.refused,
            "lost": self.lost,
            "recovered_seconds": round(self.recovered_seconds, 1),
            "held": self.held,
            "unit": self.unit,
            "complaints": list(self.complaints),
            **self.details,
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """A fault that this machine cannot be made to have."""

    name: str
    reason: str


Result = Finding | Skipped


def broken_off(name: str, error: Exception) -> Finding:
    """A fault whose end was never reached, which is a finding as well."""
    return Finding(name, "requests", 0.0, 0, 0, 0, 0.0, (f"it was not over in time: {error}",))


def report(results: Sequence[Result]) -> dict[str, Any]:
    """`{"faults": [{"name", "load", "requests", "refused", "lost", "recovered_seconds", "held"}]}`, with more keys."""
    return {
        "machine": describe_machine(),
        "faults": [item.as_json() for item in results if isinstance(item, Finding)],
        "skipped": [{"name": item.name, "reason": item.reason} for item in results if isinstance(item, Skipped)],
    }


def all_held(results: Sequence[Result]) -> bool:
    """What was skipped was not tried, and so did not hold."""
    return all(isinstance(item, Finding) and item.held for item in results)


def line(result: Result) -> str:
    if isinstance(result, Skipped):
        return f"{result.name}: NOT TRIED: {result.reason}"
    figures = (
        f"{result.requests} {result.unit} at {result.load:.1f}/s, {result.refused} refused, {result.lost} lost, "
        f"recovered in {result.recovered_seconds:.1f} s"
    )
    return f"{result.name}: {figures}: {'; '.join(('NOT HELD', *result.complaints)) if result.complaints else 'held'}"


def show(results: Sequence[Result]) -> str:
    return "\n".join(map(line, results))
