"""The report of benchmarks (its shape is a contract), and how rounds become one figure."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lab.compilation import KUBERNETES_VERSION


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ours against an opponent: figures of the same unit, and the ratio that is the least allowed.

    Of seconds and bytes less is better, and the floor is the greatest ratio allowed.
    """

    ours: float
    theirs: float
    floor: float
    less_is_better: bool = False

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs

    @property
    def held(self) -> bool:
        return self.ratio <= self.floor if self.less_is_better else self.ratio >= self.floor

    def as_json(self) -> dict[str, Any]:
        direction = {"less_is_better": True} if self.less_is_better else {}
        return {
            "ours": _shown(self.ours),
            "theirs": _shown(self.theirs),
            "ratio": round(self.ratio, 3),
            "floor": self.floor,
            **direction,
            "held": self.held,
        }


@dataclass(frozen=True, slots=True)
class Bench:
    """One benchmark: `first` is the comparison that its ratio tells; `held` also wants the others and the claims."""

    name: str
    first: Comparison
    further: Mapping[str, Comparison] = field(default_factory=dict)
    claims: Mapping[str, bool] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        return self.first.held and all(item.held for item in self.further.values()) and all(self.claims.values())

    def as_json(self) -> dict[str, Any]:
        further = {name: item.as_json() for name, item in self.further.items()}
        return {"name": self.name, **self.first.as_json(), **further, **self.claims, **self.details, "held": self.held}


def report(benches: Sequence[Bench]) -> dict[str, Any]:
    """`{"machine": {..}, "benches": [{"name", "ours", "theirs", "ratio", "floor", "held"}]}`, with more keys."""
    return {"machine": describe_machine(), "benches": [bench.as_json() for bench in benches]}


def show(benches: Sequence[Bench]) -> str:
    """A line for each comparison and each claim."""
    return "\n".join(line for bench in benches for line in _lines(bench))


def _lines(bench: Bench) -> Iterator[str]:
    for name, item in ((bench.name, bench.first), *((f"{bench.name}, {key}", it) for key, it in bench.further.items())):
        yield (
            f"{name}: {_shown(item.ours):g} to {_shown(item.theirs):g}, ratio {item.ratio:.3f} "
            f"({'at most' if item.less_is_better else 'at least'} {item.floor:g}): {_word(item.held)}"
        )
    for name, held in bench.claims.items():
        yield f"{bench.name}, {name}: {_word(held)}"


def _shown(figure: float) -> float:
    """Four digits: milliseconds and pods per second stand in one report."""
    return float(f"{figure:.4g}")


def _word(held: bool) -> str:
    return "held" if held else "NOT HELD"


def describe_machine() -> dict[str, Any]:
    """What the figures depend on; `load` is the mean number of busy tasks in the last minute, this bench's among them.

    A load far above the number of processors says that others measured, or were measured, at the same time.
    """
    return {
        "processors": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "kubernetes": KUBERNETES_VERSION,
        "load": round(os.getloadavg()[0], 1),
    }


def middle(figures: Sequence[float]) -> float:
    """The median, so that one round in which the machine was busy with something else says nothing."""
    return median(figures)
