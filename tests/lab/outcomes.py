"""Builders of a demonstration's outcomes."""

from __future__ import annotations

from typing import Any

from lab.outcomes import STOKER, Outcome


def outcome(name: str = "agent-000", **facts: Any) -> Outcome:
    """A tenant's pod that Stoker put on a warm node, ready after 43 s; any of its facts may be replaced."""
    warm: dict[str, Any] = {
        "mode": STOKER,
        "namespace": "tenant-a",
        "tenant": True,
        "node": "warm-1",
        "architecture": "amd64",
        "warm": True,
        "ready_seconds": 43.0,
    }
    return Outcome(name=name, **{**warm, **facts})


def others(name: str = "web-000", **facts: Any) -> Outcome:
    """A pod of a namespace that has nothing to do with Stoker."""
    return outcome(name, **{"namespace": "others", "tenant": False, "ready_seconds": 4.0, **facts})
