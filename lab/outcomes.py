"""What a demonstration measured, and the report that says so (its shape is a contract)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

PLAIN: Final = "plain"
STOKER: Final = "stoker"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The start of one pod in one mode. All seconds are modelled; None where the pod never got so far."""

    mode: str
    namespace: str
    name: str
    tenant: bool
    node: str | None = None
    architecture: str | None = None
    warm: bool | None = None
    """Whether the node was warm for the pod at the moment of its binding, by the simulation's truth."""

    cold_reasons: tuple[str, ...] = ()
    mutations: tuple[str, ...] = ()
    forecast: dict[str, Any] | None = None
    ready_seconds: float | None = None
    failed_sandboxes: int = 0
    refused: str | None = None
    """What the API server said where it refused the pod."""

    def as_json(self) -> dict[str, Any]:
        return {
            "mode": self.mode,
            "namespace": self.namespace,
            "name": self.name,
            "tenant": self.tenant,
            "node": self.node,
            "architecture": self.architecture,
            "warm": self.warm,
            "cold_reasons": list(self.cold_reasons),
            "mutations": list(self.mutations),
            "forecast": self.forecast,
            "ready_seconds": _rounded(self.ready_seconds),
            "failed_sandboxes": self.failed_sandboxes,
            "refused": self.refused,
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """One mode over its tenants' pods.

    A pod that was not ready when the demonstration stopped waiting counts in the percentiles with the seconds waited,
    which flatters the mode that left it pending rather than the other.
    """

    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    failed_sandboxes: int
    pending: int

    def as_json(self) -> dict[str, Any]:
        return {
            "p50_seconds": _rounded(self.p50_seconds),
            "p95_seconds": _rounded(self.p95_seconds),
            "p99_seconds": _rounded(self.p99_seconds),
            "failed_sandboxes": self.failed_sandboxes,
            "pending": self.pending,
        }


def summarise(outcomes: Iterable[Outcome], waited_seconds: float) -> Summary:
    admitted = [item for item in outcomes if item.tenant and item.refused is None]
    seconds = sorted(waited_seconds if item.ready_seconds is None else item.ready_seconds for item in admitted)
    return Summary(
        p50_seconds=percentile(seconds, 0.50),
        p95_seconds=percentile(seconds, 0.95),
        p99_seconds=percentile(seconds, 0.99),
        failed_sandboxes=sum(item.failed_sandboxes for item in admitted),
        pending=sum(item.ready_seconds is None for item in admitted),
    )


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile: the least value that `share` of all do not exceed; None of nothing."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
