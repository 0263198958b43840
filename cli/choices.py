"""What `stoker lab` can be asked to run: said here, so that `--help` lists it without importing the lab.

In words, not as types of the command line: those are listed without spaces, and broken within names.
"""

from __future__ import annotations

from typing import Final

from model.errors import InvalidInput

ALL: Final = "all"

SCENARIOS: Final = (
    "mixed-fleet",
    "burst",
    "rollout",
    "cold-join",
    "cordon",
    "zone-loss",
    "controller-kill",
    "scheduler-restart",
)
MODES: Final = ("plain", "tuned", "extender", "nomination")
PLACEMENT: Final = "placement"
BENCHMARKS: Final = (
    "prioritize",
    "image-sets",
    "growth",
    "filter",
    "scheduler",
    "webhook",
    "create",
    "reflection",
    "sync",
    "endurance",
    "overload",
    PLACEMENT,
)
FAULTS: Final = (
    "creates",
    "replica-killed",
    "watch-cut",
    "watch-expired",
    "deleted-unseen",
    "events-doubled",
    "events-reordered",
    "api-429",
    "api-500",
    "compaction",
    "extender-killed",
    "extender-stopped",
    "extender-hung",
    "extender-slow",
    "extender-garbage",
    "slow-clients-webhook",
    "slow-clients-extender",
    "disk-full",
    "clock-ahead",
    "clock-behind",
    "suspended",
)


def one_of(names: tuple[str, ...]) -> str:
    """For the help text of an argument."""
    return f"One of {', '.join(names)}; or {ALL} (some twenty-five minutes)."


def benches(name: str) -> tuple[str, ...]:
    """The bench of that name, or all; InvalidInput where there is none."""
    if name not in (*BENCHMARKS, ALL):
        raise InvalidInput(f"there is no bench {name!r}; choose {ALL} or one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS if name == ALL else (name,)
